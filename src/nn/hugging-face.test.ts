import { expect, test } from "vitest";
import { families, tinyModel } from "../../test/support/hf-tiny.ts";
import { configFromShape, readCheckpoint, shapeFromConfig, writeCheckpoint } from "./hugging-face.ts";
import { decodeTensors, encodeTensors } from "./safetensors.ts";
import { transformerLayout } from "./transformer-layout.ts";

test.each(families)("%s: config and checkpoint come out as they went in", (family) => {
  const { file, config, shape, parameters } = tinyModel(family);
  const again = configFromShape(shape);
  const elsewhere = ["bos_token_id", "eos_token_id", "torch_dtype"];
  const described = Object.entries(config).filter(([name]) => !elsewhere.includes(name));
  expect(again).toEqual({ ...Object.fromEntries(described), max_position_embeddings: 64 });
  expect(shapeFromConfig(again)).toEqual(shape);
  for (const type of ["BF16", "F16", "F32"] as const) {
    const written = encodeTensors({ tensors: writeCheckpoint(shape, parameters, { type }), metadata: {} });
    const { tensors } = decodeTensors(written);
    const read = new Float32Array(parameters.length);
    readCheckpoint(shape, tensors, read);
    // The weights are bfloat16; binary16 is exact for all but the smallest.
    if (type === "F16") expect(read.every((x, i) => Math.abs(x - parameters[i]!) < 2 ** -24)).toBe(true);
    else expect(same(read, parameters)).toBe(true);
    if (type !== "BF16") continue;
    const original = decodeTensors(file).tensors;
    expect([...tensors.keys()].sort()).toEqual([...original.keys()].sort());
    for (const [name, { shape: dims, data }] of original) {
      expect(tensors.get(name)!.shape).toEqual(dims);
      expect(same(tensors.get(name)!.data, data)).toBe(true);
    }
  }
});

test("an adapter is written and read apart, under PEFT's names", () => {
  const { shape, parameters } = tinyModel("qwen2", true);
  const adapter = writeCheckpoint(shape, parameters, { part: "adapter" });
  expect(adapter.get("base_model.model.model.layers.2.self_attn.v_proj.lora_B.weight")!.shape).toEqual([
    16, 4,
  ]);
  expect(adapter.size).toBe(3 * 3 * 2);
  const base = writeCheckpoint(shape, parameters);
  expect([...base.keys()].some((name) => name.includes("lora"))).toBe(false);
  const read = new Float32Array(parameters.length);
  readCheckpoint(shape, base, read);
  expect(read.subarray(transformerLayout(shape).trainable).every((x) => x === 0)).toBe(true);
  readCheckpoint(shape, adapter, read);
  expect(same(read, parameters)).toBe(true);
});

const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length && Array.from(a).every((x, i) => Object.is(x, b[i]));

test.each<[string, Record<string, unknown>]>([
  ["another family", { model_type: "gemma3" }],
  ["scaled rotary positions", { rope_scaling: { rope_type: "llama3", factor: 8 } }],
  ["a sliding window", { use_sliding_window: true }],
  ["another activation", { hidden_act: "gelu" }],
  ["biases everywhere", { attention_bias: true }],
  ["no width", { hidden_size: undefined }],
])("%s is refused", (_, change) => {
  expect(() => shapeFromConfig({ ...tinyModel("llama").config, ...change })).toThrow(
    expect.objectContaining({ code: "nn/unsupported-model" }),
  );
});

test("a checkpoint of another model is refused", () => {
  const { shape, parameters } = tinyModel("llama");
  const spoil = (change: (tensors: ReturnType<typeof writeCheckpoint>) => void): (() => void) => {
    const tensors = writeCheckpoint(shape, parameters);
    change(tensors);
    return () => readCheckpoint(shape, tensors, new Float32Array(parameters.length));
  };
  const norm = { shape: [48], data: new Float32Array(48) };
  const refused = expect.objectContaining({ code: "nn/checkpoint-mismatch" }) as Error;
  expect(spoil((tensors) => tensors.delete("model.norm.weight"))).toThrow(refused);
  expect(spoil((tensors) => tensors.set("model.layers.0.self_attn.q_norm.weight", norm))).toThrow(refused);
  expect(spoil((tensors) => tensors.set("model.embed_tokens.weight", norm))).toThrow(refused);
  expect(spoil((tensors) => tensors.set("lm_head.weight", norm))).not.toThrow();
});
