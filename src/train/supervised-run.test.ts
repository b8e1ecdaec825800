import { beforeEach, describe, expect, test } from "vitest";
import { cpuTrainer } from "../../test/support/cpu-trainer.ts";
import { createCpuLanguageEngine } from "../lm/cpu-language-engine.ts";
import { dpo } from "../rl/dpo.ts";
import { grpo } from "../rl/grpo.ts";
import { sft } from "../rl/sft.ts";
import { openStore } from "../store/open.ts";
import type { LightningStore, SupervisedState } from "../store/records.ts";
import { characterPolicy, wordPolicy } from "./character-policy.ts";
import type { SupervisedJob, TrainResult } from "./job.ts";
import { supervisedJob, type SupervisedJobOptions } from "./supervised-job.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

/** Two digits, to be said in the other order; 100 in all, 20 of them held out. */
const pairs = Array.from({ length: 100 }, (_, i) => [Math.floor(i / 10), i % 10] as const);
const heldOut = ([a, b]: readonly [number, number]): boolean => (a + 2 * b) % 5 === 0;
const split = <T>(example: (a: number, b: number) => T): { train: T[]; heldOut: T[] } => ({
  train: pairs.filter((pair) => !heldOut(pair)).map((pair) => example(...pair)),
  heldOut: pairs.filter(heldOut).map((pair) => example(...pair)),
});
const imitated = split((a, b) => ({ prompt: `${a}${b}`, completion: `${b}${a}` }));
const preferred = split((a, b) => ({
  // Short answers are better.
  ...{ prompt: `${a}${b}`, chosen: `${b}`, rejected: `${b}${a}` },
}));
const policy = characterPolicy({ alphabet: "0123456789", width: 16, layers: 1, heads: 2, maxLength: 12 });

const imitate = (change: Partial<SupervisedJobOptions> = {}): SupervisedJob =>
  supervisedJob({
    ...{ examples: imitated, policy, engine: "cpu", seed: 4 },
    algorithm: sft({ updates: 40, batchSize: 16, evaluateEvery: 10, learningRate: 5e-3 }),
    ...change,
  });
const prefer = (): SupervisedJob =>
  supervisedJob({
    ...{ examples: preferred, policy, engine: "cpu", seed: 4 },
    algorithm: dpo({ updates: 40, batchSize: 16, evaluateEvery: 10, learningRate: 5e-3 }),
  });

let store: LightningStore;
const trainer = (options: Partial<TrainerOptions> = {}): Trainer => cpuTrainer(store, options);
const owner = { notebook: null, cell: null };
const run = async (job: SupervisedJob): Promise<TrainResult> => {
  const it = trainer();
  return it.result(await it.start(job, owner));
};
const state = async (id: string): Promise<SupervisedState> =>
  (await store.checkpoint(id))!.state as SupervisedState;

beforeEach(async () => {
  store = await openStore({ backend: "memory" });
});

describe("a run over examples", () => {
  test("imitates: the loss of what it never saw falls, and the curve tells so", async () => {
    const { runId, metrics } = await run(imitate());
    const [curve] = (await import("./run-kinds.ts").then(async ({ storedEvents }) =>
      storedEvents((await store.run(runId))!, store),
    )) as [{ curve: { evaluations: { mean: Float64Array; step: Float64Array } } }];
    const { mean, step } = curve.curve.evaluations;
    expect([...step]).toEqual([0, 160, 320, 480, 640]);
    expect(mean[0]).toBeGreaterThan(2);
    expect(mean.at(-1)).toBeLessThan(0.75 * mean[0]!);
    expect(metrics["evaluation.heldOut.mean"]).toBe(mean.at(-1));
    expect(metrics["update.epoch"]).toBe(7);
  });

  test("prefers: held-out pairs come to be told apart, from a loss of log 2", async () => {
    const { runId, metrics } = await run(prefer());
    const spans = await store.spans({ runId, name: "fulgurite.supervised.evaluation" });
    expect(spans[0]!.attributes["loss"]).toBeCloseTo(Math.LN2, 6);
    expect(spans.at(-1)!.attributes["loss"]).toBeLessThan(0.6);
    expect(spans.at(-1)!.attributes["accuracy"]).toBeGreaterThan(0.8);
    expect(metrics["update.accuracy"]).toBeGreaterThan(0.8);
  });

  test.each([
    ["sft", imitate],
    ["dpo", prefer],
  ])("%s repeats bit for bit, also from where a closed tab left it", async (_, job) => {
    const first = await run(job());
    let steps = 0;
    let clock = Date.now();
    const closing = trainer({
      now: () => (clock += 500),
      createLanguageEngine: async (shape, seed) => {
        const engine = await createCpuLanguageEngine(shape, { seed });
        const step = engine.step.bind(engine);
        return Object.assign(engine, {
          step: (...args: Parameters<typeof step>) =>
            ++steps > 13 ? new Promise<never>(() => undefined) : step(...args),
        });
      },
    });
    const id = await closing.start(job(), owner);
    while (steps <= 13) await new Promise((resolve) => setTimeout(resolve, 5));
    const reopened = trainer();
    expect(await reopened.runs({})).toContainEqual(expect.objectContaining({ id, status: "paused" }));
    await reopened.resume(id);
    await reopened.result(id);
    expect((await state(id)).language).toEqual((await state(first.runId)).language);
    expect(await store.spans({ runId: id })).toHaveLength((await store.spans({ runId: first.runId })).length);
  });

  test("keeps what it learned when it is stopped, and answers what it learned", async () => {
    const it = trainer();
    const id = await it.start(
      imitate({ algorithm: sft({ updates: 100_000, batchSize: 16, learningRate: 5e-3 }) }),
      owner,
    );
    await new Promise((resolve) => setTimeout(resolve, 400));
    await it.stop(id);
    const { status, update } = (await store.run(id))!;
    expect(status).toBe("cancelled");
    expect(update).toBeGreaterThan(0);
    expect((await state(id)).update).toBe(update);
    const [answer] = await it.complete({
      from: { kind: "run", runId: id },
      ...{ prompts: ["12"], temperature: 0, maxTokens: 4, seed: 1 },
    });
    expect(answer!.text).toMatch(/^\d/);
  });

  test("the same question many times: each answer has noise of its own, and says whether it came to its end", async () => {
    const many = await trainer().complete({
      from: { kind: "policy", policy: imitate().policy },
      ...{ prompts: Array<string>(16).fill("12"), temperature: 1, maxTokens: 3, seed: 1 },
    });
    expect(new Set(many.map(({ text }) => text)).size).toBeGreaterThan(4);
    expect(new Set(many.map(({ finished }) => finished))).toEqual(new Set([true, false]));
    for (const { text, finished } of many) if (!finished) expect(text).toHaveLength(3);
  });

  test("says what it leaves out", async () => {
    const train = [...imitated.train, { prompt: "1".repeat(20), completion: "1" }];
    const { runId } = await run(
      imitate({ examples: { ...imitated, train }, algorithm: sft({ updates: 1 }) }),
    );
    expect((await store.run(runId))!.reason).toBe(
      "Left out of the examples: 1 longer than the policy's 12 tokens.",
    );
  });

  test.each<[string, Partial<SupervisedJobOptions>, RegExp]>([
    ["no pairs", { algorithm: dpo() }, /examples.train\[0\]: It is not \{ prompt, chosen/],
    ["unknown characters", { examples: { ...imitated, heldOut: [{ prompt: "x", completion: "1" }] } }, /"x"/],
    ["leaks", { examples: { ...imitated, heldOut: imitated.train.slice(0, 1) } }, /also trained on/],
    ["other algorithms", { algorithm: grpo() as never }, /does not learn from examples/],
    [
      "words that no answer has",
      {
        policy: wordPolicy({ answers: ["yes", "no"], words: ["is", "it"] }),
        examples: {
          train: [{ prompt: "is it", completion: "no it" }],
          heldOut: [{ prompt: "is", completion: "no" }],
        },
      },
      /train\[0\]: "it" is among the policy's words for prompts/,
    ],
    ["no examples", { examples: undefined as never }, /examples.train/],
  ])("refuses %s", (_, change, message) => {
    expect(() => imitate(change)).toThrow(message);
  });
});
