import { expect, test } from "vitest";
import { cpuTrainer } from "../../test/support/cpu-trainer.ts";
import { tinyModel } from "../../test/support/hf-tiny.ts";
import { encodeTensors } from "../nn/safetensors.ts";
import { transformerLayout } from "../nn/transformer-layout.ts";
import { sft } from "../rl/sft.ts";
import { openStore } from "../store/open.ts";
import type { SupervisedState } from "../store/records.ts";
import { characterPolicy, modelPolicy, policyShape, type CharacterPolicy } from "./character-policy.ts";
import type { Job } from "./job.ts";
import { policyWeights } from "./policy-files.ts";
import { supervisedJob } from "./supervised-job.ts";

const store = await openStore({ backend: "memory" });
const trainer = cpuTrainer(store);
/** Loss of held-out examples before the first step and at the end, and the run. */
async function run(policy: CharacterPolicy) {
  const examples = {
    train: [
      { prompt: "ab", completion: "ba" },
      { prompt: "bc", completion: "cb" },
    ],
    heldOut: [{ prompt: "ca", completion: "ac" }],
  };
  const algorithm = sft({ updates: 3, batchSize: 2 });
  const id = await trainer.start(supervisedJob({ examples, policy, algorithm, engine: "cpu" }), {
    notebook: null,
    cell: null,
  });
  await trainer.result(id);
  const spans = await store.spans({ runId: id, name: "fulgurite.supervised.evaluation" });
  const { language } = (await store.checkpoint(id))!.state as SupervisedState;
  const [first, last] = [spans[0]!, spans.at(-1)!].map(({ attributes }) => attributes["loss"]);
  return { id, first, last, parameters: language.parameters };
}

const small = { alphabet: "abc", width: 16, layers: 1, heads: 2, maxLength: 16 } as const;
const fresh = await run(characterPolicy(small));

test("a policy begins where a run left off, and keeps that beginning as its own", async () => {
  const again = await run(characterPolicy({ ...small, start: { runId: fresh.id } }));
  expect(again.first).toBe(fresh.last);
  expect(again.first).not.toBe(fresh.first);
  const { policy } = (await store.run(again.id))!.job as Extract<Job, { kind: "supervised" }>;
  expect(policy.start).toEqual({ resources: `${again.id}/start` });
  await trainer.deleteRun(again.id);
  expect(await store.resources.get(`${again.id}/start`)).toBeUndefined();
});

test("a policy begins with a safetensors file under our names", async () => {
  const tensors = transformerLayout(policyShape(characterPolicy(small))).tensors.map(
    ({ name, shape, offset, length }) =>
      [name, { type: "F32", shape, data: fresh.parameters.slice(offset, offset + length) }] as const,
  );
  const start = encodeTensors({ tensors: new Map(tensors), metadata: {} });
  expect((await run(characterPolicy({ ...small, start }))).first).toBe(fresh.last);
  await expect(run(characterPolicy({ ...small, width: 32, start }))).rejects.toMatchObject({
    code: "train/no-weights",
  });
  await expect(run(characterPolicy({ ...small, start: new Uint8Array(9) }))).rejects.toMatchObject({
    code: "nn/safetensors",
  });
});

test("a run of another network is refused", async () => {
  const start = { runId: fresh.id };
  await expect(run(characterPolicy({ ...small, width: 32, start }))).rejects.toThrow(/another network/);
  const saved = await policyWeights(fresh.id, store);
  for (const begin of [start, saved]) {
    // As many numbers, which mean something else.
    const heads = run(characterPolicy({ ...small, heads: 4, start: begin }));
    await expect(heads).rejects.toMatchObject({
      code: "train/no-weights",
      message: expect.stringContaining("another network"),
    });
    const order = run(characterPolicy({ ...small, alphabet: "bca", start: begin }));
    await expect(order).rejects.toMatchObject({
      code: "train/no-weights",
      message: expect.stringContaining("other tokens"),
    });
    expect((await run(characterPolicy({ ...small, maxLength: 32, start: begin }))).first).toBe(fresh.last);
  }
  await expect(run(characterPolicy({ ...small, start: { runId: "none" } }))).rejects.toMatchObject({
    code: "train/no-weights",
  });
});

const files = {
  tokenizer: {
    added_tokens: [
      { id: 0, content: "<s>", special: true },
      { id: 1, content: "</s>", special: true },
    ],
    ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null },
    model: { type: "BPE", vocab: { "<s>": 0, "</s>": 1, a: 2, b: 3, c: 4 }, merges: [] },
  },
  config: { bos_token: "<s>", eos_token: "</s>" },
};

test.each(["llama", "qwen2", "qwen3"] as const)(
  "a %s checkpoint is trained further, and asked",
  async (family) => {
    const { config, file, parameters } = tinyModel(family);
    const policy = modelPolicy({ config: JSON.stringify(config), weights: file, tokenizer: files });
    const { id, first, last } = await run(policy);
    const start = (await store.resources.get(`${id}/start`))!.resources["policy"];
    expect(start).toMatchObject({ type: "weights", parameters });
    expect(last).not.toBe(first);
    const ask = { prompts: ["ca"], temperature: 0, maxTokens: 4, seed: 1 };
    const [before] = await trainer.complete({ from: { kind: "policy", policy }, ...ask });
    const [after] = await trainer.complete({ from: { kind: "run", runId: id }, ...ask });
    for (const answer of [before, after]) expect(answer!.text).toMatch(/^[abc ]*$/);
  },
);

test("says what of a model cannot be used", () => {
  const { config, file: weights } = tinyModel("llama");
  expect(() => modelPolicy({ config, weights })).toThrow(/bytes need 260/);
  expect(() => modelPolicy({ config: "{", weights })).toThrow(/no JSON/);
  expect(() => modelPolicy({ config: { ...config, model_type: "gpt2" }, weights })).toThrow(/"gpt2"/);
});
