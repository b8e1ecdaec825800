import { beforeEach, describe, expect, test } from "vitest";
import { cpuTrainer } from "../../test/support/cpu-trainer.ts";
import { FulguriteError } from "../gpu/error.ts";
import { trainBytePairs } from "../lm/byte-pair-tokenizer.ts";
import { createCpuLanguageEngine } from "../lm/cpu-language-engine.ts";
import { filteredCloning, grpo } from "../rl/grpo.ts";
import { dapo } from "../rl/grpo-family.ts";
import { openStore } from "../store/open.ts";
import type { AgenticState, LightningStore } from "../store/records.ts";
import { agenticUpdateFromSpan } from "../trace/agentic-spans.ts";
import type { AgenticJob } from "./job.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

/** Ten lines of plain fetch. */
const agent = `async function agent(task) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({ model: "policy", messages: [{ role: "user", content: task.word }] }),
  });
  const { choices } = await response.json();
  return choices[0].message.content;
}`;

/** Sends what the alphabet lacks, and looks at no answer. */
const swallowing = agent
  .replace("content: task.word", "content: task.word + 9")
  .replace("choices[0].message.content", 'choices?.[0].message.content ?? ""');

/** As `llm.chat` does. */
const throwsOn = swallowing
  .replace("await response.json()", "await response.clone().json()")
  .replace("return", "if (!choices) throw new Error((await response.clone().json()).error.message); return");

const reward = `const right = (task, answer) => {
  let same = 0;
  for (let i = 0; i < task.word.length; i++) same += Number(answer[i] === task.word[i]);
  return same / task.word.length / (answer.length === task.word.length ? 1 : 2);
};`;

const words = Array.from({ length: 64 }, (_, i) => ({
  word: `${i % 4}${Math.floor(i / 4) % 4}${Math.floor(i / 16)}`,
}));

const job = (change: Partial<AgenticJob> = {}): AgenticJob => ({
  kind: "agentic",
  agent: { code: agent, entry: "agent", values: {} },
  reward: { code: reward, entry: "right", values: {} },
  tasks: { train: words.slice(0, 12), heldOut: words.slice(12, 28) },
  policy: { alphabet: "0123", width: 32, layers: 1, heads: 2, feedForward: 64, maxLength: 16 },
  algorithm: grpo({
    groups: 8,
    groupSize: 4,
    updates: 6,
    evaluateEvery: 3,
    evaluationTasks: 16,
    maxTokens: 4,
  }),
  warmStart: null,
  timeout: 10_000,
  deterministic: true,
  seed: 3,
  name: "copy",
  engine: "cpu",
  ...change,
});

let store: LightningStore;
const trainer = (options: Partial<TrainerOptions> = {}): Trainer => cpuTrainer(store, options);
const owner = { notebook: null, cell: null };
const weights = async (id: string): Promise<Float32Array> =>
  ((await store.checkpoint(id))!.state as AgenticState).language.parameters;
const failure = async (id: string, it: Trainer): Promise<unknown> => it.result(id).catch((e: unknown) => e);

beforeEach(async () => {
  store = await openStore({ backend: "memory" });
});

describe("an agentic run", () => {
  test("keeps every call, token, log-probability and reward", async () => {
    const it = trainer();
    const id = await it.start(job(), owner);
    const result = await it.result(id);
    expect(result).toMatchObject({ status: "succeeded", update: 6, step: 6 * 32 });
    const rollouts = await store.rollouts({ runId: id, mode: "train" });
    expect(rollouts).toHaveLength(6 * 32);
    // Siblings share a task; their advantages are their rewards less the group's mean.
    const group = rollouts.filter((rollout) => rollout.update === 2 && rollout.group === rollouts[32]!.group);
    expect(new Set(group.map(({ task }) => JSON.stringify(task))).size).toBe(1);
    const mean = group.reduce((sum, { reward: r }) => sum + r!, 0) / group.length;
    for (const { reward: r, advantage } of group) expect(advantage).toBeCloseTo(r! - mean, 6);
    const spans = await store.spans({ runId: id, rolloutId: group[0]!.id });
    const call = spans.find((span) => span.tokens)!;
    const { promptIds, responseIds, logProbabilities } = call.tokens!;
    expect(promptIds).toHaveLength(5);
    expect(responseIds.length).toBe(logProbabilities.length);
    expect(logProbabilities.every((value) => value < 0 && Number.isFinite(value))).toBe(true);
    expect(spans.some((span) => span.name === "agentlightning.annotation")).toBe(true);
    const evaluations = await store.rollouts({ runId: id, mode: "evaluation" });
    expect(evaluations).toHaveLength(3 * 16);
    const held = new Set(words.slice(12, 28).map((word) => JSON.stringify(word)));
    expect(evaluations.every(({ task }) => held.has(JSON.stringify(task)))).toBe(true);
    expect(result.metrics["evaluation.greedy.mean"]).toBeGreaterThanOrEqual(0);
  });

  test("clones its start's rollouts to the end where it is told so, and its own else", async () => {
    const results = async (options: Parameters<typeof filteredCloning>[0]) => {
      const it = trainer();
      const plan = {
        groups: 8,
        groupSize: 4,
        updates: 3,
        evaluateEvery: 3,
        evaluationTasks: 16,
        maxTokens: 4,
      };
      const algorithm = filteredCloning({ ...plan, successAt: 0.3, learningRate: 0.03, ...options });
      const id = await it.start(job({ algorithm }), owner);
      await it.result(id);
      const made = await store.rollouts({ runId: id });
      const of = (mode: "train" | "evaluation") =>
        made.filter((rollout) => rollout.mode === mode).map(({ result }) => result);
      return { train: of("train"), evaluation: of("evaluation") };
    };
    const still = await results({ learningRate: 0 });
    // Evaluations are greedy: weights that stay give the same answers again.
    expect(still.evaluation.slice(16)).toEqual(still.evaluation.slice(0, 16));
    const start = await results({ sampledFrom: "start" });
    const current = await results({});
    expect(start.train).toEqual(still.train);
    expect(start.evaluation).not.toEqual(still.evaluation);
    expect(current.train).not.toEqual(still.train);
  });

  const pairs = trainBytePairs(
    words.map(({ word }) => word),
    24,
  );
  test("adapters over byte pairs repeat bit for bit, also from where a closed tab left it, the KL's weight where it was", async () => {
    const whole = trainer();
    const adapters = { rank: 4, alpha: 8, projections: ["q", "v", "up"] } as const;
    const policy = { ...job().policy, alphabet: "", pairs, adapters };
    const plan = { groups: 8, groupSize: 4, updates: 6, evaluateEvery: 3, evaluationTasks: 16, maxTokens: 4 };
    // Every update multiplies the weight by 1.2.
    const adaptiveKl = { target: 1e-9, horizon: 32 };
    const algorithm = grpo({ ...plan, kl: { coefficient: 0.05, estimator: "k2" }, adaptiveKl });
    const first = await whole.start(job({ algorithm, policy }), owner);
    await whole.result(first);
    const again = await whole.start(job({ algorithm, policy }), owner);
    await whole.result(again);
    expect(await weights(again)).toEqual(await weights(first));
    // The reference is the policy without its adapters, which begin at nothing.
    const updates = (await store.spans({ runId: first })).flatMap(
      (span) => agenticUpdateFromSpan(span) ?? [],
    );
    expect(updates[0]!.referenceKl).toBe(0);
    expect(updates[1]!.referenceKl).toBeGreaterThan(0);

    let steps = 0;
    let clock = Date.now();
    const closing = trainer({
      now: () => (clock += 500),
      createLanguageEngine: async (shape, seed) => {
        const engine = await createCpuLanguageEngine(shape, { seed });
        const step = engine.step.bind(engine);
        return Object.assign(engine, {
          step: (...args: Parameters<typeof step>) =>
            ++steps > 4 ? new Promise<never>(() => undefined) : step(...args),
        });
      },
    });
    const id = await closing.start(job({ algorithm, policy }), owner);
    while (steps <= 4) await new Promise((resolve) => setTimeout(resolve, 5));
    const reopened = trainer();
    expect((await reopened.runs({}))[0]).toMatchObject({ status: "paused" });
    await reopened.resume(id);
    await reopened.result(id);
    expect(await weights(id)).toEqual(await weights(first));
    expect(await store.rollouts({ runId: id })).toHaveLength(6 * 32 + 3 * 16);
  });

  test("with a soft prompt every call begins with it, and it alone learns", async () => {
    const it = trainer();
    const policy = { ...job().policy, softPrompt: { tokens: 3 } };
    const algorithm = grpo({
      groups: 4,
      groupSize: 4,
      updates: 2,
      evaluationTasks: 4,
      maxTokens: 4,
      learningRate: 0.1,
    });
    const texts = agent
      .replace("chat/completions", "completions")
      .replace(/messages: .*\],? \}\)/, "prompt: task.word })");
    for (const code of [agent, texts.replace("message.content", "text")]) {
      const id = await it.start(
        job({ policy, algorithm, agent: { code, entry: "agent", values: {} } }),
        owner,
      );
      await it.result(id);
      const calls = (await store.spans({ runId: id })).flatMap(({ tokens }) => tokens ?? []);
      expect(calls).toHaveLength(2 * 16 + 2 * 4);
      // Eight ids are the vocabulary's: four specials and four characters.
      for (const { promptIds } of calls) expect([...promptIds.slice(0, 4)]).toEqual([8, 9, 10, 1]);
      expect(await weights(id)).toHaveLength(3 * 32);
    }
  });

  test("DAPO makes more rollouts while too few groups tell their siblings apart, up to its limit", async () => {
    const it = trainer();
    // Half of the tasks reward everybody alike.
    const partly = reward.replace("let same", "if (task.word[0] < '2') return 0; let same");
    const batches = async (generationBatches: number, code: string): Promise<number[]> => {
      const plan = {
        groups: 8,
        groupSize: 4,
        updates: 4,
        evaluateEvery: 4,
        evaluationTasks: 4,
        maxTokens: 4,
      };
      const id = await it.start(
        job({
          algorithm: dapo({ ...plan, generationBatches, overlong: null }),
          reward: { code, entry: "right", values: {} },
        }),
        owner,
      );
      await it.result(id);
      const made = await store.rollouts({ runId: id, mode: "train" });
      const spans = (await store.spans({ runId: id })).flatMap((span) => agenticUpdateFromSpan(span) ?? []);
      for (const { update, tokens } of spans) {
        const ofUpdate = made.filter((rollout) => rollout.update === update);
        // The first 8 groups that tell their siblings apart teach, and every batch draws tasks of its own.
        const teaching = new Set(
          ofUpdate.filter(({ advantage }) => advantage !== 0).map(({ group }) => group),
        );
        const taught = [...teaching].slice(0, 8);
        const learned = ofUpdate.filter(({ group }) => taught.includes(group));
        if (generationBatches > 1)
          expect(tokens).toBe(learned.reduce((sum, { outputTokens }) => sum + outputTokens, 0));
        const batch = (n: number): string =>
          JSON.stringify(ofUpdate.slice(32 * n, 32 * n + 32).map(({ task }) => task));
        if (ofUpdate.length > 32) expect(batch(1)).not.toBe(batch(0));
      }
      return [1, 2, 3, 4].map((update) => made.filter((rollout) => rollout.update === update).length / 32);
    };
    expect(await batches(1, partly)).toEqual([1, 1, 1, 1]);
    const some = await batches(5, partly);
    expect(some.every((count) => Number.isInteger(count) && count >= 2 && count <= 5)).toBe(true);
    // Where nothing tells them apart the limit ends it.
    expect(await batches(3, "const right = () => 0;")).toEqual([3, 3, 3, 3]);
  });

  test("says beside its result what filtered cloning came to on the same tasks", async () => {
    const it = trainer();
    const figures = async (change: Partial<AgenticJob>): Promise<Readonly<Record<string, number>>> => {
      const id = await it.start(job(change), owner);
      return (await it.result(id)).metrics;
    };
    const plan = { groups: 4, groupSize: 2, updates: 2, evaluationTasks: 16, maxTokens: 4 };
    const algorithm = grpo(plan);
    expect(await figures({ algorithm })).not.toHaveProperty("baseline.filteredCloning.mean");
    const cloned = await figures({ algorithm: filteredCloning(plan), seed: 9 });
    expect(cloned).not.toHaveProperty("baseline.filteredCloning.mean");
    expect(await figures({ algorithm })).toMatchObject({
      "baseline.filteredCloning.mean": cloned["evaluation.greedy.mean"],
      "baseline.filteredCloning.high": cloned["evaluation.greedy.high"],
    });
    // Of other tasks, it would say nothing.
    const tasks = { train: words.slice(0, 12), heldOut: words.slice(13, 29) };
    expect(await figures({ algorithm, tasks })).not.toHaveProperty("baseline.filteredCloning.mean");
  });

  test("repeats agents that toss coins, and refuses what the clock ended", async () => {
    // Every second answer or so is cut by chance.
    const tossing = agent.replace(
      "return choices[0].message.content",
      "const answer = choices[0].message.content; return Math.random() < 0.5 ? answer : answer.slice(1)",
    );
    const it = trainer();
    const results = async (change: Partial<AgenticJob>): Promise<string> => {
      const id = await it.start(
        job({ agent: { code: tossing, entry: "agent", values: {} }, ...change }),
        owner,
      );
      await it.result(id);
      return JSON.stringify((await store.rollouts({ runId: id })).map(({ result }) => result));
    };
    const first = await results({});
    expect(await results({})).toBe(first);
    expect(await results({ deterministic: false })).not.toBe(first);

    const hanging = agent.replace("{\n", "{\n  if (task.word[0] === '3') await new Promise(() => {});\n");
    const late = { agent: { code: hanging, entry: "agent", values: {} }, timeout: 100 };
    expect(await failure(await it.start(job(late), owner), it)).toMatchObject({
      code: "train/not-repeatable",
    });
  });

  test("leaves out what fails, counts it, and never trains it as 0", async () => {
    const throwing = agent.replace("{\n", `{\n  if (task.word[0] === "3") throw new Error("no threes");\n`);
    const it = trainer();
    const id = await it.start(job({ agent: { code: throwing, entry: "agent", values: {} } }), owner);
    await it.result(id);
    const rollouts = await store.rollouts({ runId: id, mode: "train" });
    const failed = rollouts.filter(({ status }) => status === "failed");
    expect(failed.length).toBeGreaterThan(0);
    for (const rollout of failed) {
      expect(rollout).toMatchObject({ reason: "threw", reward: null, advantage: null, attempts: 2 });
    }
    const updates = (await store.spans({ runId: id })).flatMap((span) => agenticUpdateFromSpan(span) ?? []);
    const counted = updates.reduce((sum, update) => sum + update.failed, 0);
    expect(counted).toBe(failed.length);
  });

  test.each([
    [
      "agent",
      { agent: { code: `${agent}\nthrow new Error("broken");`, entry: "agent", values: {} } },
      "train/agent-failed",
      /broken/,
    ],
    [
      "model, which no prompt fits into,",
      { policy: { ...job().policy, maxLength: 5 } },
      "train/agent-failed",
      /answered it: This policy reads at most 5 tokens/,
    ],
    [
      "model, whose refusal the agent throws on,",
      { agent: { code: throwsOn, entry: "agent", values: {} } },
      "train/agent-failed",
      /^The agent failed on every rollout \(threw\): Error: "9" is not in the model's alphabet "0123"\.$/,
    ],
    [
      "agent, which asks nothing,",
      {
        agent: { code: "const agent = (task) => task.word + Math.random();", entry: "agent", values: {} },
      },
      "train/nothing-said",
      /asked the model nothing in 32 rollouts/,
    ],
    [
      "agent, which swallows every refusal,",
      { agent: { code: swallowing, entry: "agent", values: {} } },
      "train/nothing-said",
      /answered none of .* 32 rollouts: "9" is not in the model's alphabet/,
    ],
    [
      "algorithm, which no prompt fits into,",
      { algorithm: grpo({ groups: 8, groupSize: 4, updates: 6, maxTokens: 4, promptLength: 4 }) },
      "train/prompts-too-long",
      /promptLength of 4 tokens; the shortest has 5/,
    ],
    [
      "reward",
      { reward: { code: "const right = () => NaN;", entry: "right", values: {} } },
      "train/reward-failed",
      /NaN|number/,
    ],
  ])("stops where the %s never works, and says why", async (_, change, code, said) => {
    const it = trainer();
    const id = await it.start(job(change), owner);
    const error = await failure(id, it);
    expect(error).toBeInstanceOf(FulguriteError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(said) as string });
  });

  test("can be stopped in the middle of a batch", async () => {
    const slow = agent.replace("{\n", "{\n  await new Promise((resolve) => setTimeout(resolve, 3000));\n");
    const it = trainer();
    const id = await it.start(job({ agent: { code: slow, entry: "agent", values: {} } }), owner);
    setTimeout(() => void it.stop(id), 300);
    const started = Date.now();
    expect(await it.result(id)).toMatchObject({ status: "cancelled", update: 0 });
    expect(Date.now() - started).toBeLessThan(2500);
  });
});
