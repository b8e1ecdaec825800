import { headsGradientKernel, headsKernel, headsWeightsKernel } from "../../../src/kernels/heads.ts";
import {
  lowRankGradientKernel,
  lowRankGroup,
  lowRankKernel,
  lowRankWeightsKernel,
  lowWidth,
  type LowRankGroup,
} from "../../../src/kernels/low-rank.ts";
import { rope } from "../../../src/kernels/reference/transformer-layers.ts";
import { transformerPlaces, type Projection } from "../../../src/kernels/transformer-places.ts";
import { transformerLayout, type TransformerShape } from "../../../src/nn/transformer-layout.ts";
import { random } from "../support.ts";
import { Expectation, type KernelTest, type MakeCase, type Words } from "./kernel-case.ts";
import { batchSlot, named, rotationsOf, tinyShape } from "./transformer-cases.ts";

/** All of Qwen2's and Qwen3's besides, and an adapter on every projection; the second of two layers is tried. */
const shape: TransformerShape = {
  ...tinyShape,
  ...{ layers: 2, feedForward: 20, maxLength: 300, ropeBase: 1e4, normEpsilon: 1e-5, tiedHead: true },
  ...{ attentionBias: true, queryKeyNorm: true },
  adapter: { rank: 4, alpha: 6, projections: ["q", "k", "v", "o", "gate", "up", "down"] },
};
const layout = transformerLayout(shape);
const places = transformerPlaces(layout, shape);
const [first, second] = places.layers;
const { heads, keyValueHeads, headSize } = tinyShape;
const UNITS = heads + 2 * keyValueHeads;
const TURNED = heads + keyValueHeads;
const WIDTH = UNITS * headSize;
const EPSILON = shape.normEpsilon;
const layer = (second!.n1 - first!.n1) / 4;
const arena = random(layout.length, 70);

/** One token's head of queries, keys or values on its way to attention, in f64; `unit` counts through all three. */
class Head {
  /** Biased, not yet normalised. */
  readonly x: number[];
  readonly scale: readonly number[] | null;
  readonly inverse: number;

  constructor(of: TransformerShape, raw: Words, row: number, unit: number) {
    this.x = Array.from({ length: headSize }, (_, i) => {
      const bias = of.attentionBias === true ? arena[second!.bias! + unit * headSize + i]! : 0;
      return raw[row * WIDTH + unit * headSize + i]! + bias;
    });
    const gains = unit < heads ? second!.nq! : second!.nk!;
    const normed = of.queryKeyNorm === true && unit < TURNED;
    this.scale = normed ? this.x.map((_, i) => arena[gains + i]!) : null;
    const square = this.x.reduce((sum, x) => sum + x * x, 0);
    this.inverse = normed ? 1 / Math.sqrt(square / headSize + EPSILON) : 1;
  }

  get output(): Float64Array {
    return Float64Array.from(this.x, (x, i) => x * this.inverse * (this.scale?.[i] ?? 1));
  }

  /** d loss / d x, given d loss / d output. */
  back(dy: readonly number[]): number[] {
    const { scale, inverse, x } = this;
    if (!scale) return [...dy];
    const pull = x.reduce((sum, it, i) => sum + dy[i]! * scale[i]! * it, 0) * (inverse ** 3 / headSize);
    return x.map((it, i) => inverse * scale[i]! * dy[i]! - pull * it);
  }
}

type Parts = Partial<Pick<TransformerShape, "attentionBias" | "queryKeyNorm">>;

/** The shape with these parts, at the places of the full one, so that one arena serves all. */
const withParts = (parts: Parts): { of: TransformerShape; at: typeof places } => ({
  of: { ...shape, attentionBias: false, queryKeyNorm: false, ...parts },
  at: {
    ...places,
    layers: places.layers.map((it) => ({
      ...it,
      ...(parts.attentionBias === true ? {} : { bias: null }),
      ...(parts.queryKeyNorm === true ? {} : { nq: null, nk: null }),
    })),
  },
});

const positions = (size: number): Uint32Array<ArrayBuffer> =>
  Uint32Array.from({ length: 4 * size }, (_, i) => [0, (i >> 2) % 40, (i >> 2) ^ 1, 0][i % 4]!);

const headsForward =
  (parts: Parts, cache: boolean): MakeCase =>
  (size) => {
    const { of, at } = withParts(parts);
    const raw = random(size * WIDTH, 1);
    const tokens = positions(size);
    const expected = new Expectation();
    for (let row = 0; row < size; row++) {
      for (let unit = 0; unit < UNITS; unit++) {
        const head = new Head(of, raw, row, unit);
        const turned =
          unit < TURNED ? rope(head.output, [tokens[4 * row + 1]!], headSize, 1e4, 1) : head.output;
        if (!cache && parts.queryKeyNorm === true && unit < TURNED) {
          expected.float("inverses", row * TURNED + unit, head.inverse);
        }
        turned.forEach((value, i) => {
          if (!cache) expected.float("output", (row * UNITS + unit) * headSize + i, value);
          else if (unit < heads) expected.float("output", (row * heads + unit) * headSize + i, value);
          else {
            const node = tokens[4 * row + 2]!;
            expected.float("cache", (node * (UNITS - heads) + unit - heads) * headSize + i, value);
          }
        });
      }
    }
    return {
      ...named(headsKernel(of, at, { save: !cache, cache }), size * UNITS),
      slot: batchSlot({ tokens: size, layer }),
      buffers: {
        ...{ parameters: arena, raw, tokens, rotations: rotationsOf(40) },
        output: random(size * (cache ? heads : UNITS) * headSize, 2),
        ...(cache ? { cache: random((size + 1) * (UNITS - heads) * headSize, 3) } : {}),
        ...(!cache && parts.queryKeyNorm === true ? { inverses: random(size * TURNED, 4) } : {}),
      },
      expected,
    };
  };

/** What the backward kernels read. */
function headsBack(parts: Parts, size: number) {
  const { of } = withParts(parts);
  const raw = random(size * WIDTH, 1);
  const gradient = random(size * WIDTH, 2);
  const inverses = new Float32Array(size * TURNED);
  const each: { row: number; unit: number; head: Head; dy: number[]; dx: number[] }[] = [];
  for (let row = 0; row < size; row++) {
    for (let unit = 0; unit < UNITS; unit++) {
      const head = new Head(of, raw, row, unit);
      const start = (row * UNITS + unit) * headSize;
      const dy = Array.from(gradient.subarray(start, start + headSize));
      if (unit < TURNED) inverses[row * TURNED + unit] = head.inverse;
      each.push({ row, unit, head, dy, dx: head.back(dy) });
    }
  }
  const normed = parts.queryKeyNorm === true ? { inverses } : {};
  return { raw, gradient, normed, each };
}

const headsGradient =
  (parts: Parts): MakeCase =>
  (size) => {
    const { of, at } = withParts(parts);
    const { raw, gradient, normed, each } = headsBack(parts, size);
    const expected = new Expectation();
    for (const { row, unit, dx } of each) {
      const start = (row * UNITS + unit) * headSize;
      dx.forEach((value, i) => {
        expected.float("output", start + i, value);
      });
      const projection = dx.reduce((sum, value, i) => sum + value * raw[start + i]!, 0);
      expected.float("projections", row * UNITS + unit, projection);
    }
    return {
      ...named(headsGradientKernel(of, at), size * UNITS),
      slot: batchSlot({ tokens: size, layer }),
      buffers: {
        ...{ parameters: arena, raw, gradient, ...normed },
        ...{ output: random(size * WIDTH, 4), projections: random(size * UNITS, 5) },
      },
      ...{ expected, tolerance: 3e-5 },
    };
  };

const headsWeights =
  (parts: Parts, splits: number): MakeCase =>
  (size) => {
    const { of, at } = withParts(parts);
    const { raw, gradient, normed, each } = headsBack(parts, size);
    const sums = Array.from({ length: splits }, () => new Map<number, number>());
    const add = (row: number, place: number, value: number): void => {
      const own = sums[Math.floor(row / Math.ceil(size / splits))]!;
      own.set(place, (own.get(place) ?? 0) + value);
    };
    const projected = new Float32Array(size * WIDTH);
    for (const { row, unit, head, dy, dx } of each) {
      dx.forEach((value, i) => {
        projected[(row * UNITS + unit) * headSize + i] = value;
        if (parts.attentionBias === true) add(row, second!.bias! + unit * headSize + i, value);
        const gains = unit < heads ? second!.nq! : second!.nk!;
        if (parts.queryKeyNorm === true && unit < TURNED)
          add(row, gains + i, dy[i]! * head.x[i]! * head.inverse);
      });
    }
    const expected = new Expectation();
    sums.forEach((own, split) => {
      // A range without rows leaves zeros.
      for (const place of sums[0]!.keys()) {
        expected.float("partials", split * layout.length + place, own.get(place) ?? 0);
      }
    });
    const { kernel, tiles } = headsWeightsKernel(of, at, { splits, partialLength: layout.length });
    return {
      ...named(kernel, tiles),
      slot: batchSlot({ tokens: size, layer }),
      buffers: {
        ...{ parameters: arena, raw, gradient, projected, ...normed },
        partials: random(splits * layout.length, 4),
      },
      ...{ expected, tolerance: 3e-5 },
    };
  };

const adapters = arena.slice(layout.trainable);
const adapterLength = (second!.adapters.q!.a - first!.adapters.q!.a) / 4;
const SCALE = 1.5;
const slotOf = (tokens: number, accumulate = 0): ArrayBuffer =>
  batchSlot({ tokens, layer, adapter: adapterLength, adapterScale: SCALE, accumulate });
const groupOf = (...names: Projection[]): LowRankGroup =>
  lowRankGroup(shape, places, layout.trainable, names)!;
const qkv = groupOf("q", "k", "v");
const down = groupOf("down");
const A = (group: LowRankGroup): number => 4 * adapterLength + group.a;

/** Inputs of a group, behind the norm where there is one, in f64. */
function lowInputs(group: LowRankGroup, size: number) {
  const { inputs, gain } = group;
  const input = random(size * inputs, 1);
  const inverses = new Float32Array(size);
  const x = Float64Array.from(input, (value, i) => {
    if (gain === null) return value;
    const row = Math.floor(i / inputs);
    const square = input.subarray(row * inputs, (row + 1) * inputs).reduce((sum, it) => sum + it * it, 0);
    inverses[row] = 1 / Math.sqrt(square / inputs + EPSILON);
    return value * inverses[row]! * arena[4 * layer + gain + (i % inputs)]!;
  });
  return { input, x, inverses };
}

const lowRank =
  (group: LowRankGroup): MakeCase =>
  (size) => {
    const { inputs } = group;
    const { input, x } = lowInputs(group, size);
    const low = lowWidth(group);
    const expected = new Expectation();
    for (let at = 0; at < size * low; at++) {
      const [row, r] = [Math.floor(at / low), at % low];
      let sum = 0;
      for (let k = 0; k < inputs; k++) sum += adapters[A(group) + r * inputs + k]! * x[row * inputs + k]!;
      expected.float("low", at, sum);
    }
    return {
      ...named(lowRankKernel(group, EPSILON), (size * low) / 4),
      slot: slotOf(size),
      buffers: {
        ...(group.gain === null ? {} : { parameters: arena }),
        ...{ adapters, input, low: random(size * low, 2) },
      },
      expected,
    };
  };

const lowRankGradient =
  (group: LowRankGroup): MakeCase =>
  (size) => {
    const { rank, parts, outputs } = group;
    const low = lowWidth(group);
    const gradient = random(size * outputs, 2);
    const expected = new Expectation();
    for (let at = 0; at < size * low; at++) {
      const [row, r] = [Math.floor(at / low), at % low];
      const { begin, end, b } = parts[Math.floor(r / rank)]!;
      let sum = 0;
      for (let column = begin; column < end; column++) {
        const weight = adapters[4 * adapterLength + b + (column - begin) * rank + (r % rank)]!;
        sum += gradient[row * outputs + column]! * weight;
      }
      expected.float("lowGradient", at, SCALE * sum);
    }
    return {
      ...named(lowRankGradientKernel(group), (size * low) / 4),
      slot: slotOf(size),
      buffers: { adapters, gradient, lowGradient: random(size * low, 3) },
      expected,
    };
  };

const lowRankWeights =
  (group: LowRankGroup, added: boolean): MakeCase =>
  (size) => {
    const { inputs, outputs, rank, parts } = group;
    const width = lowWidth(group);
    const { input, x, inverses } = lowInputs(group, size);
    const [gradient, low, lowGradient] = [
      random(size * outputs, 2),
      random(size * width, 3),
      random(size * width, 4),
    ];
    const gradients = random(adapters.length, 5);
    const expected = new Expectation();
    const expectSum = (at: number, scale: number, term: (row: number) => number): void => {
      let sum = 0;
      for (let row = 0; row < size; row++) sum += term(row);
      expected.float("gradients", at, scale * sum + (added ? gradients[at]! : 0));
    };
    for (let r = 0; r < width; r++) {
      for (let i = 0; i < inputs; i++) {
        expectSum(
          A(group) + r * inputs + i,
          1,
          (row) => lowGradient[row * width + r]! * x[row * inputs + i]!,
        );
      }
    }
    parts.forEach(({ begin, end, b }, part) => {
      for (let n = 0; n < (end - begin) * rank; n++) {
        expectSum(4 * adapterLength + b + n, SCALE, (row) => {
          const dy = gradient[row * outputs + begin + Math.floor(n / rank)]!;
          return dy * low[row * width + part * rank + (n % rank)]!;
        });
      }
    });
    const { kernel, tiles } = lowRankWeightsKernel(group);
    return {
      ...named(kernel, tiles),
      slot: slotOf(size, added ? 1 : 0),
      buffers: {
        ...(group.gain === null ? {} : { parameters: arena, inverses }),
        ...{ gradient, input, low, lowGradient, gradients },
      },
      ...{ expected, tolerance: 3e-5 },
    };
  };

const both = { attentionBias: true, queryKeyNorm: true };
const bias = { attentionBias: true };
const norm = { queryKeyNorm: true };

/** What Qwen2 and Qwen3 have between projection and attention, and the kernels of low-rank adapters. */
export const decoderTests: readonly KernelTest[] = [
  {
    shader: "transformer/heads",
    variants: {
      "biases and norms": headsForward(both, false),
      biases: headsForward(bias, false),
      norms: headsForward(norm, false),
      "biases and norms, decoding": headsForward(both, true),
      "biases, decoding": headsForward(bias, true),
      "norms, decoding": headsForward(norm, true),
    },
    proofOnly: ["biases, decoding", "norms, decoding"],
    fault: ["a * cosine - b * sine", "a * cosine + b * sine"],
  },
  {
    shader: "transformer/heads_gradient",
    variants: {
      "biases and norms": headsGradient(both),
      biases: headsGradient(bias),
      norms: headsGradient(norm),
    },
    fault: ["inverse * inverse * inverse", "inverse * inverse"],
  },
  {
    shader: "transformer/heads_weights",
    variants: {
      "biases and norms": headsWeights(both, 1),
      "norms, two ranges": headsWeights(norm, 2),
      "biases, two ranges": headsWeights(bias, 2),
    },
    fault: ["select(0u, HEADS, keys)", "0u"],
  },
  {
    shader: "transformer/low_rank",
    variants: { "queries, keys and values": lowRank(qkv), "without a norm": lowRank(down) },
    fault: ["a + 3u * INPUTS + k", "a + 2u * INPUTS + k"],
  },
  {
    shader: "transformer/low_rank_gradient",
    variants: { "queries, keys and values": lowRankGradient(qkv), "one matrix": lowRankGradient(down) },
    fault: ["batch.adapter_scale * sum", "sum"],
  },
  {
    shader: "transformer/low_rank_weights",
    variants: {
      "queries, keys and values": lowRankWeights(qkv, false),
      "without a norm, added": lowRankWeights(down, true),
    },
    fault: ["* inverses[row] *", "*"],
  },
];
