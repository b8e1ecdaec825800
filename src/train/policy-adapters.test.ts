import { beforeAll, expect, test } from "vitest";
import { cpuTrainer } from "../../test/support/cpu-trainer.ts";
import { createCpuLanguageEngine } from "../lm/cpu-language-engine.ts";
import { transformerLayout } from "../nn/transformer-layout.ts";
import { dpo } from "../rl/dpo.ts";
import { sft, type SftConfig } from "../rl/sft.ts";
import { openStore } from "../store/open.ts";
import type { LightningStore, SupervisedState } from "../store/records.ts";
import { baseId } from "../store/resources.ts";
import { bytePairPolicy, policyShape, type CharacterPolicy } from "./character-policy.ts";
import { learnedParameters, type LearningOptions } from "./policy-adapters.ts";
import { policyFromFile, policyWeights } from "./policy-files.ts";
import { runWeights } from "./run-weights.ts";
import { supervisedJob, type SupervisedJobOptions } from "./supervised-job.ts";

const digits = Array.from({ length: 24 }, (_, i) => `${i % 6}${Math.floor(i / 6)}`);
const examples = digits.map((prompt) => ({ prompt, completion: `${prompt[1]!}${prompt[0]!}` }));
const split = { train: examples.slice(6), heldOut: examples.slice(0, 6) };
const network = { texts: digits, merges: 6, width: 16, layers: 2, heads: 2, maxLength: 16 } as const;
const policy = (options: LearningOptions & Pick<Parameters<typeof bytePairPolicy>[0], "start"> = {}) =>
  bytePairPolicy({ ...network, ...options });

let store: LightningStore;
/** Made so far. */
let engines = 0;
let base: { readonly runId: string; readonly parameters: Float32Array; readonly last: number };

async function run(
  trained: CharacterPolicy,
  change: Partial<SupervisedJobOptions> = {},
  options: Partial<SftConfig["loss"] & { updates: number }> = {},
) {
  const trainer = cpuTrainer(store, {
    createLanguageEngine: (shape, seed, _choice, { checkpointing = false }) => {
      engines++;
      return createCpuLanguageEngine(shape, { seed, checkpointing });
    },
  });
  const algorithm = sft({ updates: 6, batchSize: 8, learningRate: 0.02, ...options });
  const job = supervisedJob({ examples: split, policy: trained, algorithm, engine: "cpu", ...change });
  const runId = await trainer.start(job, { notebook: null, cell: null });
  await trainer.result(runId);
  const spans = await store.spans({ runId, name: "fulgurite.supervised.evaluation" });
  const losses = spans.map(({ attributes }) => attributes["loss"] as number);
  const { language } = (await store.checkpoint(runId))!.state as SupervisedState;
  const { parameters } = (await runWeights(runId, store))!;
  return { runId, language, parameters, first: losses[0]!, last: losses.at(-1)! };
}

beforeAll(async () => {
  store = await openStore({ backend: "memory" });
  base = await run(policy());
});

const adapters = { rank: 4, projections: ["q", "v", "down"] } as const;
const file = (part: "model" | "adapters", id: string) => policyWeights(id, store, { part });

test.each<[string, LearningOptions]>([
  ["adapters", { adapters }],
  ["a soft prompt", { softPrompt: { tokens: 3 } }],
  ["both", { adapters: {}, softPrompt: { tokens: 2 } }],
])("%s learn, and no bit of the weights moves; checkpoints hold what learns alone", async (_, options) => {
  const trained = policy({ ...options, start: base });
  const { runId, language, parameters, first, last } = await run(trained, {}, { weightDecay: 0.1 });
  const { length, trainable } = transformerLayout(policyShape(trained));
  expect(trainable).toBe(base.parameters.length);
  expect(parameters.slice(0, trainable)).toEqual(base.parameters);
  expect(last).toBeLessThan(first);
  // What begins at nothing begins as the weights alone.
  if (!options.softPrompt) expect(first).toBe(base.last);
  for (const column of [language.parameters, language.firstMoment, language.secondMoment])
    expect(column).toHaveLength(length - trainable);
  expect(learnedParameters(policyShape(trained))).toBeLessThan(trainable / 2);
  const kept = (await store.resources.get(baseId(runId)))!.resources["policy"];
  expect(kept).toMatchObject({ type: "weights", parameters: base.parameters });
  // Another run begins where it ended, on the same terms.
  const again = await run(policy({ ...options, start: { runId } }), {}, { updates: 1 });
  expect(again.first).toBe(last);
});

test("saved apart and merged, in files that say their network and tokens, they are the same policy", async () => {
  const { runId, last } = await run(policy({ adapters, start: base }));
  const whole = policyFromFile(await file("model", base.runId), {
    adapters: { start: await file("adapters", runId) },
  });
  expect(whole).toMatchObject({ kind: "byte-pair-policy", adapters: { rank: 4, alpha: 8 } });
  const apart = await run(whole, {}, { updates: 1 });
  expect(apart.first).toBe(last);
  const merged = policyFromFile(await file("model", runId));
  expect(merged.pairs).toEqual(policy().pairs);
  expect(merged.adapters).toBeUndefined();
  expect((await run(merged, {}, { updates: 1 })).first).toBeCloseTo(last, 5);
  // So does a policy of other adapters, or of none, that begins with the run.
  expect((await run(policy({ start: { runId } }), {}, { updates: 1 })).first).toBeCloseTo(last, 5);
  const other = policy({ adapters: { rank: 8 }, start: { runId } });
  expect((await run(other, {}, { updates: 1 })).first).toBeCloseTo(last, 5);

  await expect(file("adapters", base.runId)).rejects.toThrow(/no adapters to save apart/);
  const prompted = await run(policy({ softPrompt: {}, start: base }), {}, { updates: 1 });
  await expect(file("model", prompted.runId)).rejects.toThrow(/cannot be merged/);
  const back = policyFromFile(await file("model", base.runId), {
    softPrompt: { start: await file("adapters", prompted.runId) },
  });
  expect((await run(back, {}, { updates: 1 })).first).toBe(prompted.last);
  const scaled = { adapters: { alpha: 3, start: await file("adapters", runId) } };
  await expect(run(policyFromFile(await file("model", base.runId), scaled))).rejects.toThrow(
    /alpha 8 at rank 4/,
  );
});

test("DPO measures against the policy without its adapters: a loss of log 2 to begin with", async () => {
  // Short answers are better.
  const pairs = examples.map(({ prompt, completion }) => ({
    prompt,
    chosen: completion[0]!,
    rejected: completion,
  }));
  const preferences = { train: pairs.slice(6), heldOut: pairs.slice(0, 6) };
  const algorithm = dpo({ updates: 12, batchSize: 8, learningRate: 0.02 });
  const before = engines;
  const made = await run(policy({ adapters, start: base }), { examples: preferences, algorithm });
  expect(engines - before).toBe(1);
  expect(made.first).toBeCloseTo(Math.LN2, 15);
  expect(made.last).toBeLessThan(0.68);
  // Adapters that were trained before are part of the run's start.
  const short = dpo({ updates: 1, batchSize: 8 });
  const further = policy({ adapters, start: made });
  expect((await run(further, { examples: preferences, algorithm: short })).first).toBeCloseTo(Math.LN2, 15);
});

test("a warm start teaches the weights, which then are frozen", async () => {
  const demonstrations = examples.map(({ prompt, completion }) => ({ prompt, answer: completion }));
  const warmStart = { demonstrations, steps: 3, batchSize: 4 };
  const plain = await run(bytePairPolicy({ ...network, warmStart }), {}, { updates: 1, learningRate: 0 });
  const adapted = await run(bytePairPolicy({ ...network, warmStart, adapters: {} }), {}, { updates: 1 });
  expect(adapted.first).toBe(plain.first);
  expect(adapted.parameters.slice(0, plain.parameters.length)).toEqual(plain.parameters);
  // A soft prompt that it begins with stays.
  const softPrompt = { tokens: 2 };
  const prompted = await run(policy({ softPrompt, start: base }), {}, { learningRate: 0.3 });
  const still = { ...warmStart, learningRate: 1e-12 };
  const again = bytePairPolicy({ ...network, warmStart: still, softPrompt, start: prompted });
  expect((await run(again, {}, { updates: 1 })).first).toBeCloseTo(prompted.last, 6);
});

test("checkpointing changes no bit of a run", async () => {
  const kept = await run(policy({ adapters, start: base }), {}, { updates: 3 });
  const again = await run(policy({ adapters, start: base, checkpointing: true }), {}, { updates: 3 });
  expect(again.parameters).toEqual(kept.parameters);
});

test("says what of adapters and soft prompts cannot be", () => {
  expect(() => policy({ adapters: { rank: 6 } })).toThrow(/multiple of 4/);
  expect(() => policy({ adapters: { alpha: 0 } })).toThrow(/alpha/);
  expect(() => policy({ adapters: { projections: ["x" as "q"] } })).toThrow(/"x"/);
  expect(() => policy({ adapters: { projections: [] } })).toThrow(/no projection/);
  expect(() => policy({ softPrompt: { tokens: 0 } })).toThrow(/soft prompt/);
  expect(() => policy({ adapters: { start: new Uint8Array(8) } })).toThrow(/without the weights/);
});
