import { FulguriteError } from "../gpu/error.ts";
import { projectionTensors, type Projection } from "../kernels/transformer-places.ts";
import type { FloatType, Tensor } from "./safetensors.ts";
import { transformerLayout, type TransformerShape } from "./transformer-layout.ts";

/** Where each projection is in a layer of a Hugging Face checkpoint. */
const modules: Readonly<Record<Projection, string>> = {
  q: "self_attn.q_proj",
  k: "self_attn.k_proj",
  v: "self_attn.v_proj",
  o: "self_attn.o_proj",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
};

const others: Readonly<Record<string, string>> = {
  n1: "input_layernorm.weight",
  n2: "post_attention_layernorm.weight",
  bq: "self_attn.q_proj.bias",
  bk: "self_attn.k_proj.bias",
  bv: "self_attn.v_proj.bias",
  nq: "self_attn.q_norm.weight",
  nk: "self_attn.k_norm.weight",
};

const withinLayer = new Map(Object.entries(others));
for (const [projection, module] of Object.entries(modules)) {
  const tensor = projectionTensors[projection as Projection];
  withinLayer.set(tensor, `${module}.weight`);
  withinLayer.set(`${tensor}.a`, `${module}.lora_A.weight`);
  withinLayer.set(`${tensor}.b`, `${module}.lora_B.weight`);
}

/** Our tensor's name in a Hugging Face checkpoint, or in PEFT's of an adapter ("l0.wq.a"). */
export function huggingFaceName(name: string): string {
  if (name === "emb") return "model.embed_tokens.weight";
  if (name === "nf") return "model.norm.weight";
  if (name === "head") return "lm_head.weight";
  if (name === "prompt") return "prompt_embeddings";
  const [, layer, tensor] = /^l(\d+)\.(.+)$/.exec(name) ?? [];
  const inside = tensor === undefined ? undefined : withinLayer.get(tensor);
  if (inside === undefined) throw new Error(`no such tensor: ${name}`);
  return `model.layers.${layer}.${inside}`;
}

/**
 * The shape that a `config.json` of a Llama, Qwen2 or Qwen3 describes, for sequences of at most `maxLength` (default: the
 * model's own). Throws "nn/unsupported-model" for what we do not compute: other families, scaled rotary positions,
 * sliding windows, other activations, biases elsewhere.
 */
export function shapeFromConfig(
  config: Readonly<Record<string, unknown>>,
  maxLength?: number,
): TransformerShape {
  const family = config["model_type"];
  if (family !== "llama" && family !== "qwen2" && family !== "qwen3") {
    unsupported(`it is a "${String(family)}"; llama, qwen2 and qwen3 can be loaded`);
  }
  const number = (name: string, otherwise?: number): number => {
    const value = config[name] ?? otherwise;
    if (typeof value !== "number" || !(value > 0)) unsupported(`its config has no ${name}`);
    return value;
  };
  // Newer configs keep the rotary settings in a group of their own.
  const rotary = (config["rope_parameters"] ?? config["rope_scaling"] ?? {}) as Record<string, unknown>;
  const scaling = rotary["rope_type"] ?? rotary["type"] ?? "default";
  if (scaling !== "default") unsupported(`its rotary positions are scaled ("${String(scaling)}")`);
  if ((config["hidden_act"] ?? "silu") !== "silu") {
    unsupported(`its activation is "${String(config["hidden_act"])}"`);
  }
  if (config["use_sliding_window"] === true) unsupported("it attends through a sliding window");
  if (family !== "qwen2" && config["attention_bias"] === true) unsupported("all of its attention has biases");
  if (config["mlp_bias"] === true) unsupported("its feed-forward layers have biases");
  const width = number("hidden_size");
  const heads = number("num_attention_heads");
  const theta = typeof rotary["rope_theta"] === "number" ? rotary["rope_theta"] : 10_000;
  const positions = number("max_position_embeddings", 2048);
  return {
    vocabularySize: number("vocab_size"),
    width,
    layers: number("num_hidden_layers"),
    heads,
    keyValueHeads: number("num_key_value_heads", heads),
    headSize: number("head_dim", width / heads),
    feedForward: number("intermediate_size"),
    maxLength: Math.min(maxLength ?? positions, positions),
    ropeBase: number("rope_theta", theta),
    normEpsilon: number("rms_norm_eps", 1e-6),
    tiedHead: config["tie_word_embeddings"] === true,
    ...(family === "qwen2" ? { attentionBias: true } : {}),
    ...(family === "qwen3" ? { queryKeyNorm: true } : {}),
  };
}

/** The `config.json` of a shape: qwen3 with query-key norm, qwen2 with biases, else llama. */
export function configFromShape(shape: TransformerShape): Readonly<Record<string, unknown>> {
  if (shape.attentionBias === true && shape.queryKeyNorm === true) {
    unsupported("no known family has both biases and query-key norm");
  }
  const [family, architecture] =
    shape.queryKeyNorm === true
      ? ["qwen3", "Qwen3ForCausalLM"]
      : shape.attentionBias === true
        ? ["qwen2", "Qwen2ForCausalLM"]
        : ["llama", "LlamaForCausalLM"];
  return {
    model_type: family,
    architectures: [architecture],
    hidden_size: shape.width,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    head_dim: shape.headSize,
    intermediate_size: shape.feedForward,
    num_hidden_layers: shape.layers,
    vocab_size: shape.vocabularySize,
    rope_theta: shape.ropeBase,
    rms_norm_eps: shape.normEpsilon,
    tie_word_embeddings: shape.tiedHead,
    hidden_act: "silu",
    max_position_embeddings: shape.maxLength,
    attention_bias: shape.attentionBias === true,
  };
}

/**
 * A checkpoint's tensors, by their Hugging Face names, at their places among `parameters`, which are as many as the
 * shape's layout says. An adapter's are filled in where the file has them, and left as they are where it has none of
 * them; likewise all that is frozen. Throws "nn/checkpoint-mismatch" where a tensor is missing, has another shape or is
 * unknown.
 */
export function readCheckpoint(
  shape: TransformerShape,
  tensors: ReadonlyMap<string, Tensor>,
  parameters: Float32Array,
): void {
  const layout = transformerLayout(shape);
  // PEFT puts the wrapped model's path in front.
  const found = new Map(
    [...tensors].map(([name, tensor]) => [name.replace(/^base_model\.model\./, ""), tensor] as const),
  );
  const known = new Set(layout.tensors.map(({ name }) => huggingFaceName(name)));
  // Some files of tied models hold the head as well.
  if (shape.tiedHead) known.add("lm_head.weight");
  const unknown = [...found.keys()].find((name) => !known.has(name) && !name.endsWith("rotary_emb.inv_freq"));
  if (unknown !== undefined) mismatch(`the model has no place for ${unknown}`);
  const part = (frozen: boolean): typeof layout.tensors =>
    layout.tensors.filter(({ offset }) => offset < layout.trainable === frozen);
  for (const half of [part(true), part(false)]) {
    const missing = half.filter(({ name }) => !found.has(huggingFaceName(name)));
    if (missing.length === half.length && layout.trainable > 0) continue;
    if (missing.length > 0) mismatch(`${huggingFaceName(missing[0]!.name)} is missing`);
    for (const { name, shape: dims, offset } of half) {
      const tensor = found.get(huggingFaceName(name))!;
      if (tensor.shape.join() !== dims.join()) {
        mismatch(`${huggingFaceName(name)} is [${tensor.shape.join()}], not [${dims.join()}]`);
      }
      parameters.set(tensor.data, offset);
    }
  }
}

/**
 * The tensors of a checkpoint under their Hugging Face names: of the whole model, or of the adapter alone as PEFT would
 * save it ("base_model.model. ..."). `type` is how they will be stored; narrowing rounds to nearest, ties to even.
 */
export function writeCheckpoint(
  shape: TransformerShape,
  parameters: Float32Array,
  options: { readonly part?: "model" | "adapter"; readonly type?: FloatType } = {},
): Map<string, Tensor> {
  const { part = "model", type = "F32" } = options;
  const { tensors, trainable, length } = transformerLayout(shape);
  const end = shape.adapter ? trainable : length;
  return new Map(
    tensors
      .filter(({ offset }) => offset < end === (part === "model"))
      .map(({ name, shape: dims, offset, length: count }) => [
        `${part === "adapter" ? "base_model.model." : ""}${huggingFaceName(name)}`,
        { shape: dims, data: parameters.slice(offset, offset + count), type },
      ]),
  );
}

function unsupported(why: string): never {
  throw new FulguriteError(
    "nn/unsupported-model",
    `This model cannot be loaded: ${why}.`,
    "Choose a Llama, Qwen2 or Qwen3 checkpoint in its original layout.",
  );
}

function mismatch(why: string): never {
  throw new FulguriteError(
    "nn/checkpoint-mismatch",
    `The checkpoint does not fit the model: ${why}.`,
    "Load it with the config.json that belongs to it.",
  );
}
