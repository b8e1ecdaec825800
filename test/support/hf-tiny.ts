import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { huggingFaceName, readCheckpoint, shapeFromConfig } from "../../src/nn/hugging-face.ts";
import { decodeTensors, type Tensor } from "../../src/nn/safetensors.ts";
import {
  transformerLayout,
  type LowRankAdapter,
  type TransformerShape,
} from "../../src/nn/transformer-layout.ts";
import type { LanguageEngine, TokenLossConfig, TokenRows } from "../../src/lm/language-engine.ts";
import { expectClose } from "./goldens.ts";

export const families = ["llama", "qwen2", "qwen3"] as const;
export type Family = (typeof families)[number];

interface Data {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Golden {
  readonly input_ids: readonly (readonly number[])[];
  readonly logits: Data;
  readonly loss: number;
  readonly grad_norms: Readonly<Record<string, number>>;
  readonly grads: Readonly<Record<string, Data>>;
  readonly lora: {
    readonly rank: number;
    readonly alpha: number;
    readonly weights: Readonly<Record<string, Data>>;
    readonly logits: Data;
    readonly loss: number;
    readonly grads: Readonly<Record<string, Data>>;
  };
  readonly greedy: { readonly prompt: readonly number[]; readonly continuation: readonly number[] };
}

/** A checkpoint in the family's layout with random weights, and what it computes, in f64 by another implementation. */
export interface TinyModel {
  readonly golden: Golden;
  readonly file: Uint8Array;
  readonly config: Readonly<Record<string, unknown>>;
  readonly shape: TransformerShape;
  readonly parameters: Float32Array;
  /** The golden's rows: mean cross-entropy over all targets. */
  readonly rows: TokenRows;
  /** log-probabilities of the rows' tokens under the golden's logits. */
  readonly logProbabilities: readonly number[];
}

export const likelihood: TokenLossConfig = {
  ...{ kind: "likelihood", clipLow: 0, clipHigh: 0, dualClip: null, entropyCoefficient: 0 },
  ...{ learningRate: 0, betas: [0.9, 0.99], adamEpsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1e9 },
};

/** With `adapted`, the golden's LoRA on q, v and down. */
export function tinyModel(family: Family, adapted = false): TinyModel {
  const at = (name: string): URL => new URL(`../fixtures/hf-tiny/${family}/${name}`, import.meta.url);
  const golden = JSON.parse(readFileSync(at("golden.json"), "utf8")) as Golden;
  const config = JSON.parse(readFileSync(at("config.json"), "utf8")) as Record<string, unknown>;
  const file = new Uint8Array(readFileSync(at("model.safetensors")));
  const { rank, alpha } = golden.lora;
  const adapter: LowRankAdapter = { rank, alpha, projections: ["q", "v", "down"] };
  const shape = { ...shapeFromConfig(config, 64), ...(adapted ? { adapter } : {}) };
  const parameters = new Float32Array(transformerLayout(shape).length);
  const tensors = new Map(decodeTensors(file).tensors);
  if (adapted) {
    for (const [name, { shape: dims, data }] of Object.entries(golden.lora.weights)) {
      tensors.set(name, { shape: dims, data: Float32Array.from(data) } satisfies Tensor);
    }
  }
  readCheckpoint(shape, tensors, parameters);
  const rows = golden.input_ids.length;
  const length = golden.input_ids[0]!.length;
  const tokens = Int32Array.from(golden.input_ids.flat());
  const each = <T extends Float32Array>(value: (t: number) => number): T =>
    Float32Array.from(tokens, (_, i) => value(i % length)) as T;
  const logits = adapted ? golden.lora.logits : golden.logits;
  return {
    ...{ golden, file, config, shape, parameters },
    rows: {
      ...{ rows, length, tokens, allowed: null },
      lengths: new Int32Array(rows).fill(length),
      weights: each((t) => (t === 0 ? 0 : 1 / (rows * (length - 1)))),
      advantages: each(() => 1),
      oldLogProbabilities: each(() => 0),
      importance: each(() => 1),
    },
    logProbabilities: Array.from(tokens, (id, i) => {
      if (i % length === 0) return 0;
      const row = logits.data.slice((i - 1) * shape.vocabularySize, i * shape.vocabularySize);
      const largest = Math.max(...row);
      const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0);
      return row[id]! - largest - Math.log(sum);
    }),
  };
}

/** Holds d loss / d parameters, of all of them or from `first` on, to the golden: elements relative to the largest. */
export function expectGoldenGradient(
  { golden, shape }: TinyModel,
  gradient: ArrayLike<number>,
  tolerance: number,
  first = 0,
): void {
  const { tensors } = transformerLayout(shape);
  const grads = shape.adapter ? golden.lora.grads : golden.grads;
  let compared = 0;
  for (const { name, offset, length } of tensors) {
    if (offset < first) continue;
    const part = Array.from({ length }, (_, i) => gradient[offset - first + i]!);
    const label = huggingFaceName(name);
    const expected = grads[label]?.data;
    if (expected) {
      const largest = expected.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
      expectClose(part, expected, { absolute: tolerance * largest, relative: tolerance }, label);
      compared++;
    }
    const norm = shape.adapter ? undefined : golden.grad_norms[label];
    if (norm !== undefined) {
      expectClose(Math.hypot(...part), norm, { absolute: 0, relative: tolerance }, `norm of ${label}`);
      compared++;
    }
  }
  const all = Object.keys(grads).length + (shape.adapter ? 0 : Object.keys(golden.grad_norms).length);
  expectClose(compared, all);
}

/** Weights with moments of zero. */
export async function loadParameters(engine: LanguageEngine, parameters: Float32Array): Promise<void> {
  const state = await engine.save();
  const zero = new Float32Array(state.firstMoment.length);
  engine.load({ ...state, parameters, firstMoment: zero, secondMoment: zero.slice(), optimizerStep: 0 });
}

export async function checkGoldenContinuation(engine: LanguageEngine, { golden }: TinyModel): Promise<void> {
  const { prompt, continuation } = golden.greedy;
  const request = { temperature: 0, stopTokens: [], allowed: null, seed: 0 };
  const [greedy] = await engine.generate([
    { prompt: Int32Array.from(prompt), maxTokens: continuation.length, ...request },
  ]);
  expect([...greedy!.tokens]).toEqual(continuation);
}
