import {
  attentionDecodeKernel,
  attentionKernel,
  attentionKeyGradientKernel,
  attentionQueryGradientKernel,
  statisticsWidth,
} from "../../../src/kernels/attention.ts";
import { gumbelNoise } from "../../../src/kernels/gumbel.ts";
import { paddedOutputs } from "../../../src/kernels/linear.ts";
import type { NamedKernel } from "../../../src/kernels/named-kernel.ts";
import { categorical } from "../../../src/kernels/reference/categorical.ts";
import { rope } from "../../../src/kernels/reference/transformer-layers.ts";
import { maskWords, sampleTokenKernel } from "../../../src/kernels/sample-token.ts";
import { TokenBatchSlots, type BatchField } from "../../../src/kernels/token-batch.ts";
import { embedKernel, predictionGradientKernel } from "../../../src/kernels/token-rows.ts";
import { allowedMask } from "../../../src/lm/allowed-mask.ts";
import { chooseToken } from "../../../src/lm/sampling.ts";
import { TokenForest } from "../../../src/lm/token-forest.ts";
import { ropeTable } from "../../../src/nn/rope-table.ts";
import { random } from "../support.ts";
import { Expectation, type KernelCase, type KernelTest, type MakeCase, type Words } from "./kernel-case.ts";

/** Small, grouped queries, nothing a power of two that need not be. */
export const tinyShape = { heads: 4, keyValueHeads: 2, headSize: 8, width: 24, vocabularySize: 37 } as const;
const NONE = 0xffffffff;

/** `size` tokens: two rows with a common beginning where there are enough. */
export function forestOf(size: number): TokenForest {
  const common = size < 4 ? size : Math.floor(size / 3);
  const tails = size < 4 ? [0] : [Math.floor((size - common) / 2), Math.ceil((size - common) / 2)];
  const length = common + Math.max(...tails) + 1;
  const tokens = new Int32Array(tails.length * length);
  const ids = random(tokens.length, 90).map((x) =>
    Math.floor(((x + 1) / 2) * (tinyShape.vocabularySize - 2)),
  );
  tails.forEach((tail, row) => {
    for (let t = 0; t <= common + tail; t++)
      tokens[row * length + t] = ids[t < common ? t : row * length + t]!;
    // Where the rows part, they differ.
    tokens[row * length + common] = tinyShape.vocabularySize - 1 - row;
  });
  const forest = new TokenForest();
  const ones = new Float32Array(tokens.length).fill(1);
  forest.start(
    {
      ...{ rows: tails.length, length, tokens, lengths: Int32Array.from(tails, (tail) => common + tail + 1) },
      weights: random(tokens.length, 91).map((x) => 0.2 + Math.abs(x)),
      advantages: random(tokens.length, 92).map((x) => 2 * x),
      oldLogProbabilities: random(tokens.length, 93).map((x) => x - 3.5),
      ...{ importance: ones.map((one, i) => one + (i % 3) / 4), allowed: null },
    },
    true,
  );
  forest.next(1e9, 1e9, tinyShape.vocabularySize);
  if (forest.tokenCount !== size) throw new Error(`${forest.tokenCount} tokens, not ${size}`);
  return forest;
}

export const batchSlot = (values: Partial<Record<BatchField, number>>): ArrayBuffer => {
  const slots = new TokenBatchSlots(1);
  for (const [field, value] of Object.entries(values)) slots.set(0, field as BatchField, value);
  return slots.bytes;
};

/** What a kernel is, as part of a case. */
export const named = (
  kernel: NamedKernel,
  invocations: number,
): Pick<KernelCase, "kernel" | "constants" | "invocations" | "workgroup"> => ({
  ...{ kernel, constants: kernel.constants, invocations, workgroup: 16 },
});

export const rotationsOf = (positions: number): Float32Array<ArrayBuffer> => {
  const { headSize } = tinyShape;
  const { cosines, sines } = ropeTable(positions, headSize, 1e4);
  const half = headSize / 2;
  const table = new Float32Array(positions * headSize);
  for (let position = 0; position < positions; position++) {
    table.set(cosines.subarray(position * half, (position + 1) * half), position * headSize);
    table.set(sines.subarray(position * half, (position + 1) * half), position * headSize + half);
  }
  return table;
};

/** A token's ancestors and itself, from the root on. */
function paths(forest: TokenForest): readonly (readonly number[])[] {
  return Array.from({ length: forest.tokenCount }, (_, token) => {
    const path: number[] = [];
    for (let last = token; last !== NONE; last = forest.runs[2 * last + 1]!) {
      for (let at = last; at >= forest.runs[2 * last]!; at--) path.unshift(at);
    }
    return path;
  });
}

/** Attention along the tokens' paths, forward and backward, in f64. */
class TreeAttention {
  readonly forest: TokenForest;
  readonly qkv: Float32Array<ArrayBuffer>;
  readonly gradient: Float32Array<ArrayBuffer>;
  readonly output: Float64Array;
  readonly logSums: Float64Array;
  readonly inner: Float64Array;
  /** d loss / d (queries, keys, values) before the rotation is undone. */
  readonly back: Float64Array;
  readonly #row: number;

  constructor(size: number) {
    const { heads, keyValueHeads, headSize } = tinyShape;
    const row = (heads + 2 * keyValueHeads) * headSize;
    const queries = heads * headSize;
    this.#row = row;
    this.forest = forestOf(size);
    this.qkv = random(size * row, 1).map((x) => 2 * x);
    this.gradient = random(size * queries, 2);
    this.output = new Float64Array(size * queries);
    this.logSums = new Float64Array(size * heads);
    this.inner = new Float64Array(size * heads);
    this.back = new Float64Array(size * row);
    const scale = 1 / Math.sqrt(headSize);
    const dims = Array.from({ length: headSize }, (_, i) => i);
    paths(this.forest).forEach((path, token) => {
      for (let head = 0; head < heads; head++) {
        const group = Math.floor((head * keyValueHeads) / heads);
        const q = token * row + head * headSize;
        const o = (token * heads + head) * headSize;
        const key = (s: number): number => s * row + queries + group * headSize;
        const value = (s: number): number => key(s) + keyValueHeads * headSize;
        const scores = path.map(
          (s) => scale * dims.reduce((sum, i) => sum + this.qkv[q + i]! * this.qkv[key(s) + i]!, 0),
        );
        const largest = Math.max(...scores);
        const total = scores.reduce((sum, z) => sum + Math.exp(z - largest), 0);
        this.logSums[token * heads + head] = largest + Math.log(total);
        const p = scores.map((z) => Math.exp(z - largest) / total);
        path.forEach((s, n) => {
          for (const i of dims) this.output[o + i]! += p[n]! * this.qkv[value(s) + i]!;
        });
        const inner = dims.reduce((sum, i) => sum + this.gradient[o + i]! * this.output[o + i]!, 0);
        this.inner[token * heads + head] = inner;
        path.forEach((s, n) => {
          const dp = dims.reduce((sum, i) => sum + this.gradient[o + i]! * this.qkv[value(s) + i]!, 0);
          const ds = p[n]! * (dp - inner) * scale;
          for (const i of dims) {
            this.back[q + i]! += ds * this.qkv[key(s) + i]!;
            this.back[key(s) + i]! += ds * this.qkv[q + i]!;
            this.back[value(s) + i]! += p[n]! * this.gradient[o + i]!;
          }
        });
      }
    });
  }

  /** A head's gradient, turned back, expected at its place in the rows; returns d . x for the norm in front. */
  expectHead(expected: Expectation, token: number, head: number, turns: boolean): number {
    const { headSize } = tinyShape;
    const at = token * this.#row + head * headSize;
    const d = this.back.slice(at, at + headSize);
    const position = this.forest.tokens[4 * token + 1]!;
    const turned = turns ? rope(d, [position], headSize, 1e4, -1) : d;
    turned.forEach((x, i) => {
      expected.float("output", at + i, x);
    });
    return d.reduce((sum, x, i) => sum + x * this.qkv[at + i]!, 0);
  }

  /** Statistics as the kernels before have left them. */
  statistics(filled: boolean): Float32Array<ArrayBuffer> {
    const { heads } = tinyShape;
    const width = statisticsWidth(tinyShape);
    const statistics = random(this.forest.tokenCount * width, 3);
    for (let token = 0; filled && token < this.forest.tokenCount; token++) {
      for (let head = 0; head < heads; head++) {
        statistics[token * width + head] = this.logSums[token * heads + head]!;
        statistics[token * width + heads + head] = this.inner[token * heads + head]!;
      }
    }
    return statistics;
  }

  get tables(): { tokens: Words; runs: Words; rotations: Words } {
    const { tokens, runs, tokenCount } = this.forest;
    return {
      tokens: Uint32Array.from(tokens.subarray(0, 4 * (tokenCount + 1))),
      runs: Uint32Array.from(runs.subarray(0, 2 * tokenCount)),
      rotations: rotationsOf(tokenCount),
    };
  }
}

const { heads, keyValueHeads, headSize, width, vocabularySize } = tinyShape;
const STATISTICS = statisticsWidth(tinyShape);
const blocks = (size: number, block: number): number => Math.ceil(size / block);

const attentionForward =
  (block: number): MakeCase =>
  (size) => {
    const tree = new TreeAttention(size);
    const expected = new Expectation();
    tree.output.forEach((x, i) => {
      expected.float("output", i, x);
    });
    tree.logSums.forEach((x, i) => {
      expected.float("statistics", Math.floor(i / heads) * STATISTICS + (i % heads), x);
    });
    return {
      ...named(attentionKernel(tinyShape, block), blocks(size, block) * heads),
      slot: batchSlot({ tokens: size }),
      buffers: {
        ...{ keys: tree.qkv, output: random(tree.output.length, 4), statistics: tree.statistics(false) },
        runs: tree.tables.runs,
      },
      expected,
    };
  };

const queryGradient =
  (block: number): MakeCase =>
  (size) => {
    const tree = new TreeAttention(size);
    const expected = new Expectation();
    for (let token = 0; token < size; token++) {
      for (let head = 0; head < heads; head++) {
        const projection = tree.expectHead(expected, token, head, true);
        expected.float("statistics", token * STATISTICS + heads + head, tree.inner[token * heads + head]!);
        expected.float("statistics", token * STATISTICS + 2 * heads + head, projection);
      }
    }
    const statistics = tree.statistics(true);
    return {
      ...named(attentionQueryGradientKernel(tinyShape, block), blocks(size, block) * heads),
      slot: batchSlot({ tokens: size }),
      buffers: {
        ...{ ...tree.tables, keys: tree.qkv, gradient: tree.gradient, statistics },
        ...{ attended: Float32Array.from(tree.output), output: random(tree.back.length, 4) },
      },
      ...{ expected, tolerance: 3e-5 },
    };
  };

const keyGradient =
  (block: number): MakeCase =>
  (size) => {
    const tree = new TreeAttention(size);
    const expected = new Expectation();
    for (let token = 0; token < size; token++) {
      for (let head = 0; head < keyValueHeads; head++) {
        const keys = tree.expectHead(expected, token, heads + head, true);
        const values = tree.expectHead(expected, token, heads + keyValueHeads + head, false);
        expected.float("statistics", token * STATISTICS + 3 * heads + head, keys + values);
      }
    }
    const { tokens, rotations } = tree.tables;
    return {
      ...named(attentionKeyGradientKernel(tinyShape, block), blocks(size, block) * keyValueHeads),
      slot: batchSlot({ tokens: size }),
      buffers: {
        ...{ tokens, rotations, keys: tree.qkv, gradient: tree.gradient },
        ...{ statistics: tree.statistics(true), output: random(tree.back.length, 4) },
      },
      ...{ expected, tolerance: 3e-5 },
    };
  };

const attentionDecode: MakeCase = (size) => {
  const tree = new TreeAttention(size);
  const expected = new Expectation();
  tree.output.forEach((x, i) => {
    expected.float("output", i, x);
  });
  const row = (heads + 2 * keyValueHeads) * headSize;
  const cached = 2 * keyValueHeads * headSize;
  const [queries, keys] = [new Float32Array(size * heads * headSize), new Float32Array(size * cached)];
  for (let token = 0; token < size; token++) {
    queries.set(tree.qkv.subarray(token * row, (token + 1) * row - cached), token * heads * headSize);
    keys.set(tree.qkv.subarray((token + 1) * row - cached, (token + 1) * row), token * cached);
  }
  const { tokens, runs } = tree.tables;
  for (let token = 0; token < size; token++) tokens[4 * token + 2] = token;
  return {
    ...named(attentionDecodeKernel(tinyShape), size * heads),
    slot: batchSlot({ tokens: size }),
    buffers: { tokens, queries, keys, runs, output: random(tree.output.length, 4) },
    expected,
  };
};

const embed =
  (prompt: boolean): MakeCase =>
  (size) => {
    const [first, embedding, known, promptAt] = [3, 8, 13, 12];
    const parameters = random(embedding + vocabularySize * width, 1);
    const adapters = random(promptAt + vocabularySize * width, 4);
    const tokens = Uint32Array.from({ length: 4 * (first + size) }, (_, i) => (i * 7) % vocabularySize);
    const expected = new Expectation();
    for (let row = 0; row < size; row++) {
      const id = tokens[4 * (first + row)]!;
      for (let c = 0; c < width; c++) {
        const value =
          prompt && id >= known
            ? adapters[promptAt + (id - known) * width + c]!
            : parameters[embedding + id * width + c]!;
        expected.float("output", row * width + c, value);
      }
    }
    const kernel = embedKernel({ width, vocabularySize: known }, embedding, prompt ? promptAt : null);
    return {
      ...named(kernel, (size * width) / 4),
      slot: batchSlot({ tokens: size, first }),
      buffers: { parameters, tokens, output: random(size * width, 2), ...(prompt ? { adapters } : {}) },
      expected,
    };
  };

const predictionGradient: MakeCase = (size) => {
  const forest = forestOf(size);
  const gradient = random(forest.predictionCount * width, 1);
  const expected = new Expectation();
  for (let row = 0; row < size; row++) {
    for (let c = 0; c < width; c++) {
      let sum = 0;
      const end = forest.tokens[4 * row + 7]!;
      for (let p = forest.tokens[4 * row + 3]!; p < end; p++) sum += gradient[p * width + c]!;
      expected.float("output", row * width + c, sum);
    }
  }
  return {
    ...named(predictionGradientKernel(width), (size * width) / 4),
    slot: batchSlot({ tokens: size }),
    buffers: {
      tokens: Uint32Array.from(forest.tokens.subarray(0, 4 * (size + 1))),
      ...{ gradient, output: random(size * width, 2) },
    },
    expected,
  };
};

const LOGITS = paddedOutputs(vocabularySize);
/** All but five. */
export const someIds = Int32Array.from({ length: vocabularySize - 5 }, (_, i) => (i < 4 ? i : i + 5));

const sample =
  (temperature: number, allowed: Int32Array | null): MakeCase =>
  (size) => {
    const logits = random(size * LOGITS, 1).map((x) => 4 * x);
    const parameters = random(8 + vocabularySize * width, 2);
    const tokens = Uint32Array.from({ length: 4 * size }, (_, i) => [3, 5 + (i >> 2), i >> 2, i % 3][i % 4]!);
    const requests = new Uint32Array(8 * size);
    const words = maskWords(vocabularySize);
    const mask = new Uint32Array(2 * words * size);
    const biases = random(size * vocabularySize, 5);
    const samples = random(4 * size, 3);
    const output = random(size * width, 4);
    const expected = new Expectation();
    const ids = allowed ?? Int32Array.from({ length: vocabularySize }, (_, id) => id);
    for (let row = 0; row < size; row++) {
      const biased = row % 2;
      requests[8 * row] = 100 + row;
      new Float32Array(requests.buffer)[8 * row + 1] = temperature;
      requests[8 * row + 6] = biased;
      for (const half of [0, 1]) mask.set(allowedMask(allowed, vocabularySize), (2 * row + half) * words);
      const own = Float32Array.from(ids, (id) => logits[row * LOGITS + id]!);
      const weighed = own.map((logit, i) =>
        Math.fround(logit + biased * biases[row * vocabularySize + ids[i]!]!),
      );
      const position = tokens[4 * row + 1]! + 1;
      const noise = gumbelNoise(100 + row, position, vocabularySize);
      const choice = chooseToken(weighed, ids, temperature, noise);
      const id = ids[choice]!;
      const plain = categorical(Float64Array.from(own)).logProbabilities[choice]!;
      const sampler =
        temperature === 0
          ? 0
          : categorical(Float64Array.from(weighed, (z) => z / temperature)).logProbabilities[choice]!;
      expected.word("samples", 4 * row, id);
      expected.float("samples", 4 * row + 1, plain);
      expected.float("samples", 4 * row + 2, sampler);
      expected.word("samples", 4 * row + 3, 0);
      const left = tokens[4 * row + 3]!;
      // One that may emit no more computes its last token again.
      const input = left > 1 ? id : tokens[4 * row]!;
      for (let c = 0; c < width; c++)
        expected.float("output", row * width + c, parameters[8 + input * width + c]!);
      if (left <= 1) continue;
      expected.word("tokens", 4 * row, id);
      expected.word("tokens", 4 * row + 1, position);
      expected.word("tokens", 4 * row + 2, tokens[4 * row + 2]! + 1);
      expected.word("tokens", 4 * row + 3, left - 1);
    }
    return {
      ...named(sampleTokenKernel({ vocabularySize, width, embedding: 8 }), size),
      slot: batchSlot({ tokens: size }),
      buffers: { logits, tokens, requests, allowed: mask, samples, parameters, output, biases },
      expected,
    };
  };

const tokensAThread = (
  make: (block: number) => MakeCase,
): Pick<KernelTest, "variants" | "sameBits" | "proofOnly"> => ({
  variants: {
    "a token a thread": make(1),
    "two tokens a thread": make(2),
    "four tokens a thread": make(4),
  },
  sameBits: { "two tokens a thread": "a token a thread", "four tokens a thread": "a token a thread" },
  proofOnly: ["four tokens a thread"],
});

export const transformerTests: readonly KernelTest[] = [
  {
    shader: "transformer/embed",
    variants: { plain: embed(false), "a soft prompt": embed(true) },
    fault: ["+ id * WIDTH", "+ WIDTH"],
  },
  {
    shader: "transformer/prediction_gradient",
    variants: { plain: predictionGradient },
    fault: ["p < tokens[row + 1u].w", "p + 1u < tokens[row + 1u].w"],
  },
  {
    shader: "transformer/attention",
    ...tokensAThread(attentionForward),
    fault: ["n < depth; n++", "n + 1u < depth; n++"],
  },
  {
    shader: "transformer/attention_query_gradient",
    ...tokensAThread(queryGradient),
    fault: ["dp0 - inner0", "dp0 + inner0"],
  },
  {
    shader: "transformer/attention_key_gradient",
    ...tokensAThread(keyGradient),
    fault: ["t < end0", "t + 1u < end0"],
  },
  {
    shader: "transformer/attention_decode",
    variants: { plain: attentionDecode },
    fault: ["last = own.y", "last = own.y - 1u"],
  },
  {
    shader: "transformer/sample",
    variants: {
      "temperature 1": sample(1, null),
      "temperature 0.7, some ids": sample(0.7, someIds),
      greedy: sample(0, null),
    },
    fault: ["total_scaled += math_exp(value - likeliest)", "total_scaled += value - likeliest"],
  },
];
