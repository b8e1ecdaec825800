import {
  chunkOf,
  linearInputGradientKernel,
  linearKernel,
  linearWeightGradientKernel,
  paddedOutputs,
  type LinearEnd,
  type LinearPlace,
  type LinearSharing,
  type LinearTile,
} from "../../../src/kernels/linear.ts";
import {
  linear,
  linearBackward,
  rmsNorm,
  rmsNormBackward,
  rope,
  swiGlu,
  swiGluBackward,
} from "../../../src/kernels/reference/transformer-layers.ts";
import {
  reduceTransformerGradientKernel,
  TERM_RANGES,
} from "../../../src/kernels/reduce-transformer-gradient.ts";
import { lowWidth, type LowRankGroup } from "../../../src/kernels/low-rank.ts";
import { inputIds, transformerPlaces } from "../../../src/kernels/transformer-places.ts";
import { transformerLayout } from "../../../src/nn/transformer-layout.ts";
import { gpu, random } from "../support.ts";
import { Expectation, withoutQuads, type KernelTest, type MakeCase, type Words } from "./kernel-case.ts";
import { batchSlot, forestOf, named, rotationsOf, tinyShape } from "./transformer-cases.ts";

const { heads, keyValueHeads, headSize, width, vocabularySize } = tinyShape;
const epsilon = 1e-5;
/** vec4s from the first layer's weights to this one's, and where the weight and the gain are. */
const LAYER = 3;
const GAIN = 8;
const WEIGHT = GAIN + width;
const small: LinearTile = { rows: 4, columns: 8 };
const queries = heads * headSize;
const qkv = queries + 2 * keyValueHeads * headSize;
const feedForward = 20;

type Variant = LinearSharing & {
  readonly tile: LinearTile;
  /** Inputs of the matrix, where they are not the usual ones. */
  readonly inputs?: number;
  /** Low-rank changes of the columns before each of these and from the one before on. */
  readonly adapted?: readonly number[];
};

/** Outputs of a matrix that is not the head's. */
interface Outputs {
  readonly outputs?: number;
}

/** vec4s from the first layer's adapters to this one's, and alpha / rank. */
const ADAPTER = 5;
const SCALE = 1.5;
const RANK = 4;

/** Adapters of a matrix of `inputs`: A's of all parts, then B's. */
function adapterOf(ends: readonly number[], inputs: number): LowRankGroup {
  const outputs = ends.at(-1)!;
  const parts = ends.map((end, p) => {
    const begin = ends[p - 1] ?? 0;
    return { begin, end, b: 8 + RANK * (ends.length * inputs + begin) };
  });
  return { rank: RANK, a: 8, inputs, outputs, gain: null, parts };
}

/** Theirs and those of the layer before. */
const adapterArena = ({ parts, inputs, outputs }: LowRankGroup): Float32Array<ArrayBuffer> =>
  random(4 * ADAPTER + 8 + RANK * (parts.length * inputs + outputs), 11);

/** Weights of this layer and of those before it; rows behind the last output are read too, and count for nothing. */
const arena = (outputs: number, inputs: number): Float32Array<ArrayBuffer> =>
  random(4 * LAYER + WEIGHT + (outputs + 32) * inputs, 1).map((x) => 0.8 * x);

const place = (outputs: number, inputs: number, norm: boolean): LinearPlace => ({
  ...{ weight: WEIGHT, inputs, outputs, gain: norm ? GAIN : null },
});

/** Rows of `x` that the predictions name. */
function gathered(size: number): { readonly predictions: Words; readonly rows: readonly number[] } {
  const rows = Array.from({ length: size }, (_, p) => (p * 5) % Math.max(1, size - 2));
  const predictions = new Uint32Array(8 * size);
  rows.forEach((row, p) => (predictions[8 * p] = row));
  return { predictions, rows };
}

const rowsOf = (data: ArrayLike<number>, rows: readonly number[], length: number): Float64Array =>
  Float64Array.from(
    { length: rows.length * length },
    (_, i) => data[rows[Math.floor(i / length)]! * length + (i % length)]!,
  );

const counting = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const forward =
  (
    end: LinearEnd,
    outputs: number,
    options: Variant & {
      readonly norm?: boolean;
      readonly gather?: boolean;
      readonly save?: boolean;
      /** First output, of a larger matrix. */
      readonly chunk?: number;
    },
  ): MakeCase =>
  (size) => {
    const {
      tile,
      quads = false,
      tiled = false,
      norm = false,
      gather = false,
      save = false,
      chunk = 0,
      adapted,
    } = options;
    if (quads && !gpu!.canShareQuads) return withoutQuads();
    const adapter = adapted ? adapterOf(adapted, width) : null;
    const made = linearKernel(place(outputs, width, norm), end, {
      tile,
      epsilon,
      adapter,
      save,
      gather,
      quads,
      tiled,
    });
    const parameters = arena(chunk + outputs, width);
    const input = random(size * width, 2).map((x) => 2 * x);
    const { predictions, rows } = gathered(size);
    const x = rowsOf(input, gather ? rows : counting(size), width);
    const [gain, weight] = [4 * LAYER + GAIN, 4 * LAYER + WEIGHT + chunk * width];
    const normed = norm ? rmsNorm(x, parameters, gain, width, epsilon) : x;
    const y = linear(normed, parameters, weight, width, outputs);
    const expected = new Expectation();
    const first = end.kind === "rope" && end.cache ? 2 : 0;
    const tokens = Uint32Array.from({ length: 4 * (first + size) }, (_, i) =>
      i % 4 === 1 ? (i >> 2) % 19 : i % 4 === 2 ? (i >> 2) + 1 : 0,
    );
    const positions = counting(size).map((row) => tokens[4 * (first + row) + 1]!);
    const buffers: Record<string, Words> = { parameters, input };
    if (adapter) {
      const adapters = (buffers["adapters"] = adapterArena(adapter));
      const low = (buffers["low"] = random(size * lowWidth(adapter), 12));
      adapter.parts.forEach(({ begin, end: last, b }, p) => {
        for (let at = 0; at < size * (last - begin); at++) {
          const [row, column] = [Math.floor(at / (last - begin)), at % (last - begin)];
          for (let k = 0; k < RANK; k++) {
            const weight = adapters[4 * ADAPTER + b + column * RANK + k]!;
            y[row * outputs + begin + column]! +=
              SCALE * low[row * lowWidth(adapter) + p * RANK + k]! * weight;
          }
        }
      });
    }
    if (gather) buffers["predictions"] = predictions;
    if (norm && save) {
      buffers["inverses"] = random(size, 3);
      for (let row = 0; row < size; row++) {
        const squares = x.subarray(row * width, (row + 1) * width).reduce((sum, v) => sum + v * v, 0);
        expected.float("inverses", row, 1 / Math.sqrt(squares / width + epsilon));
      }
    }
    const expectRows = (buffer: string, data: ArrayLike<number>, from: number, to: number): void => {
      for (let row = 0; row < size; row++) {
        for (let c = from; c < to; c++)
          expected.float(buffer, row * (to - from) + c - from, data[row * (to - from) + c - from]!);
      }
    };
    if (end.kind === "store") {
      const padded = paddedOutputs(outputs);
      buffers["output"] = random(size * padded, 4);
      for (let row = 0; row < size; row++) {
        for (let c = 0; c < outputs; c++) expected.float("output", row * padded + c, y[row * outputs + c]!);
        expected.free("output", row * padded + outputs, (row + 1) * padded);
      }
    } else if (end.kind === "residual") {
      const output = (buffers["output"] = random(size * outputs, 4));
      const before = end.inPlace ? output : (buffers["residual"] = random(size * outputs, 5));
      expectRows(
        "output",
        y.map((v, i) => v + before[i]!),
        0,
        outputs,
      );
    } else if (end.kind === "swiglu") {
      const half = outputs / 2;
      const side = (which: number): Float64Array =>
        Float64Array.from(
          { length: size * half },
          (_, i) => y[Math.floor(i / half) * outputs + which * half + (i % half)]!,
        );
      buffers["output"] = random(size * half, 4);
      expectRows("output", swiGlu(side(0), side(1)), 0, half);
      if (save) {
        buffers["gate"] = random(size * outputs, 5);
        expectRows("gate", y, 0, outputs);
      }
    } else {
      buffers["tokens"] = tokens;
      buffers["rotations"] = rotationsOf(20);
      const turned = rope(
        Float64Array.from(
          { length: size * end.rotated },
          (_, i) => y[Math.floor(i / end.rotated) * qkv + (i % end.rotated)]!,
        ),
        positions,
        headSize,
        1e4,
        1,
      );
      const all = y.map((v, i) =>
        i % qkv < end.rotated ? turned[Math.floor(i / qkv) * end.rotated + (i % qkv)]! : v,
      );
      const cached = qkv - queries;
      buffers["output"] = random(size * (end.cache ? queries : qkv), 4);
      if (end.cache) buffers["cache"] = random((size + 3) * cached, 5);
      all.forEach((v, i) => {
        const [row, c] = [Math.floor(i / qkv), i % qkv];
        if (!end.cache) expected.float("output", i, v);
        else if (c < queries) expected.float("output", row * queries + c, v);
        else expected.float("cache", tokens[4 * (first + row) + 2]! * cached + c - queries, v);
      });
    }
    return {
      ...named(made.kernel, Math.ceil(size / made.rows) * made.tiles),
      slot: batchSlot({
        ...{ tokens: size, predictions: size, layer: LAYER, first, chunk },
        ...{ adapter: ADAPTER, adapterScale: SCALE },
      }),
      ...{ buffers, expected },
    };
  };

/** Ids of a chunk of the head in these cases: the first chunk is full, the second is not. */
const CHUNK = 24;

type Back = "store" | "norm" | "accumulate" | "gather" | "chunk" | "last chunk" | "swiglu";

const inputGradient =
  (
    kind: Back,
    { tile, quads = false, tiled = false, inputs: width = tinyShape.width, adapted }: Variant,
  ): MakeCase =>
  (size) => {
    if (quads && !gpu!.canShareQuads) return withoutQuads();
    const chunked = kind === "chunk" || kind === "last chunk";
    const chunk = kind === "last chunk" ? CHUNK : 0;
    const gather = kind === "gather" || chunked;
    const norm = kind === "norm" || kind === "accumulate" || gather;
    const outputs = kind === "chunk" ? CHUNK : gather ? vocabularySize - chunk : 28;
    const stride = chunked ? CHUNK : gather ? paddedOutputs(outputs) : outputs;
    const projected = { count: 3, stride: 5, offset: 1 };
    const adapter = adapted ? adapterOf(adapted, width) : null;
    const made = linearInputGradientKernel(
      chunked ? chunkOf(place(vocabularySize, width, norm), CHUNK) : place(outputs, width, norm),
      norm
        ? { kind: "norm", projections: projected, accumulate: kind === "accumulate" }
        : { kind: kind === "swiglu" ? "swiglu" : "store" },
      { tile, gather, quads, tiled, adapter: adapter },
    );
    const parameters = arena(chunked ? vocabularySize : outputs, width);
    const gradient = random(size * stride, 2);
    for (let row = 0; row < size; row++) gradient.fill(0, row * stride + outputs, (row + 1) * stride);
    const dy = Float64Array.from(
      { length: size * outputs },
      (_, i) => gradient[Math.floor(i / outputs) * stride + (i % outputs)]!,
    );
    const [gain, weight] = [4 * LAYER + GAIN, 4 * LAYER + WEIGHT + chunk * width];
    const input = random(size * width, 3);
    const { predictions, rows } = gathered(size);
    const x = rowsOf(input, gather ? rows : counting(size), width);
    const expected = new Expectation();
    const nothing = new Float64Array(parameters.length);
    const buffers: Record<string, Words> = { parameters, gradient };
    if (gather) buffers["predictions"] = predictions;
    const between = norm ? rmsNorm(x, parameters, gain, width, epsilon) : x;
    const dx = linearBackward(dy, between, parameters, weight, width, outputs, nothing);
    if (adapter) {
      const adapters = (buffers["adapters"] = adapterArena(adapter));
      const low = lowWidth(adapter);
      const lowGradient = (buffers["lowGradient"] = random(size * low, 12));
      for (let at = 0; at < size * width; at++) {
        const [row, c] = [Math.floor(at / width), at % width];
        for (let r = 0; r < low; r++) {
          dx[at]! += lowGradient[row * low + r]! * adapters[4 * ADAPTER + adapter.a + r * width + c]!;
        }
      }
    }
    if (kind === "swiglu") {
      const gate = (buffers["gate"] = random(size * 2 * width, 4).map((v) => 2 * v));
      buffers["projections"] = random(size * made.partialSums, 5);
      const each = width / made.partialSums;
      for (let row = 0; row < size; row++) {
        const g = Float64Array.from(gate.subarray(row * 2 * width, row * 2 * width + width));
        const u = Float64Array.from(gate.subarray(row * 2 * width + width, (row + 1) * 2 * width));
        const { dGate, dUp } = swiGluBackward(dx.subarray(row * width, (row + 1) * width), g, u);
        for (let c = 0; c < width; c++) {
          expected.float("gate", row * 2 * width + c, dGate[c]!);
          expected.float("gate", row * 2 * width + width + c, dUp[c]!);
        }
        for (let part = 0; part < made.partialSums; part++) {
          let sum = 0;
          for (let c = part * each; c < (part + 1) * each; c++) sum += dGate[c]! * g[c]! + dUp[c]! * u[c]!;
          expected.float("projections", row * made.partialSums + part, sum);
        }
      }
    } else {
      const output = (buffers["output"] = random(size * width, 6));
      let back = dx;
      if (norm) {
        back = rmsNormBackward(dx, x, parameters, gain, width, epsilon, nothing);
        buffers["input"] = input;
        const inverses = (buffers["inverses"] = new Float32Array(size));
        const projections = (buffers["projections"] = random(size * projected.stride, 7));
        for (let row = 0; row < size; row++) {
          const squares = x.subarray(row * width, (row + 1) * width).reduce((sum, v) => sum + v * v, 0);
          inverses[row] = 1 / Math.sqrt(squares / width + epsilon);
          // dy . y, which is dx . (x behind the norm), in three parts.
          let inner = 0;
          for (let c = 0; c < width; c++) inner += dx[row * width + c]! * between[row * width + c]!;
          const at = row * projected.stride + projected.offset;
          projections.set([0.25 * inner, inner, -0.25 * inner], at);
        }
      }
      back.forEach((v, i) => {
        expected.float("output", i, v + (kind === "accumulate" || kind === "chunk" ? output[i]! : 0));
      });
    }
    return {
      ...named(made.kernel, Math.ceil(size / made.rows) * made.tiles),
      slot: batchSlot({ tokens: size, predictions: size, layer: LAYER, chunk, adapter: ADAPTER }),
      ...{ buffers, expected, tolerance: 2e-5 },
    };
  };

const weightGradient =
  (
    kind: "plain" | "norm" | "gather" | "chunk" | "last chunk",
    { tile, quads = false, tiled = false, inputs = width, outputs: all = 28 }: Variant & Outputs,
  ): MakeCase =>
  (size) => {
    const chunked = kind === "chunk" || kind === "last chunk";
    const chunk = kind === "last chunk" ? CHUNK : 0;
    const gather = kind === "gather" || chunked;
    const [total, splits] = [gather ? vocabularySize : all, 3];
    const outputs = kind === "chunk" ? CHUNK : total - chunk;
    const partialLength = WEIGHT + (total + 1) * inputs + 4 * LAYER;
    const whole = place(total, inputs, kind !== "plain");
    const made = linearWeightGradientKernel(chunked ? chunkOf(whole, CHUNK) : whole, {
      ...{ tile, splits, partial: WEIGHT, partialLength, gather, quads, tiled },
    });
    if (quads && !gpu!.canShareQuads) return withoutQuads();
    const stride = chunked ? CHUNK : gather ? paddedOutputs(outputs) : outputs;
    const gradient = random(size * stride, 1);
    const input = random(size * inputs, 2);
    const inverses = random(size, 3).map((v) => 1 + v);
    const { predictions, rows } = gathered(size);
    const expected = new Expectation();
    const each = Math.ceil(size / splits);
    for (let split = 0; split < splits; split++) {
      const here = counting(size).slice(split * each, (split + 1) * each);
      for (let o = 0; o < outputs; o++) {
        for (let i = 0; i < inputs; i++) {
          let sum = 0;
          for (const m of here) {
            const scale = kind === "plain" ? 1 : inverses[m]!;
            sum += gradient[m * stride + o]! * input[(gather ? rows[m]! : m) * inputs + i]! * scale;
          }
          expected.float(
            "partials",
            split * partialLength + 4 * LAYER + WEIGHT + (chunk + o) * inputs + i,
            sum,
          );
        }
      }
    }
    return {
      ...named(made.kernel, made.tiles),
      slot: batchSlot({ tokens: size, predictions: size, layer: LAYER, chunk }),
      buffers: {
        ...{ gradient, input, partials: random(splits * partialLength, 4) },
        ...(kind === "plain" ? {} : { inverses }),
        ...(gather ? { predictions } : {}),
      },
      expected,
    };
  };

const reduce =
  (tiedHead: boolean, accumulate: boolean): MakeCase =>
  (size) => {
    const shape = {
      ...{
        ...tinyShape,
        layers: 2,
        feedForward,
        maxLength: 20,
        ropeBase: 1e4,
        normEpsilon: epsilon,
        tiedHead,
      },
    };
    const layout = transformerLayout(shape);
    const places = transformerPlaces(layout, shape);
    const headLength = vocabularySize * width;
    const partialLength = layout.length + (tiedHead ? headLength : 0);
    const headPartial = tiedHead ? layout.length : places.head;
    const [splits, squares] = [2, 64];
    const vectors = Math.ceil(layout.length / 4 / squares);
    const partials = random(splits * partialLength, 1);
    const parameters = random(layout.length, 2);
    const forest = forestOf(size);
    const residual = random(size * width, 3);
    const terms = random(4 * forest.predictionCount, 4);
    const gradients = random(layout.length, 5);
    const sums = random(squares + 5 * TERM_RANGES, 6);
    const partial = (at: number): number => partials[at]! + partials[partialLength + at]!;
    const gradient = new Float64Array(layout.length);
    for (let token = 0; token < size; token++) {
      for (let c = 0; c < width; c++) {
        gradient[places.emb + forest.tokens[4 * token]! * width + c]! += residual[token * width + c]!;
      }
    }
    // Behind a norm the partial sums are those of x / rms: dW = G g, dg = sum W G.
    const behindNorm = (weight: number, at: number, outputs: number, gain: number): void => {
      for (let o = 0; o < outputs; o++) {
        for (let c = 0; c < width; c++) {
          const g = partial(at + o * width + c);
          gradient[weight + o * width + c]! += g * parameters[gain + c]!;
          gradient[gain + c]! += g * parameters[weight + o * width + c]!;
        }
      }
    };
    for (const layer of places.layers) {
      behindNorm(layer.wq, layer.wq, qkv, layer.n1);
      behindNorm(layer.w1, layer.w1, 2 * feedForward, layer.n2);
      for (let i = 0; i < width * queries; i++) gradient[layer.wo + i] = partial(layer.wo + i);
      for (let i = 0; i < width * feedForward; i++) gradient[layer.w2 + i] = partial(layer.w2 + i);
    }
    behindNorm(places.head, headPartial, vocabularySize, places.nf);
    if (accumulate) gradients.forEach((g, i) => (gradient[i]! += g));
    const expected = new Expectation();
    gradient.forEach((g, i) => {
      expected.float("gradients", i, g);
    });
    for (let thread = 0; thread < squares; thread++) {
      let sum = 0;
      for (let n = 0; n < vectors; n++) {
        for (let e = 0; e < 4; e++) sum += (gradient[4 * (n * squares + thread) + e] ?? 0) ** 2;
      }
      expected.float("squares", thread, sum);
    }
    for (let range = 0; range < TERM_RANGES; range++) {
      for (let e = 0; e < 5; e++) {
        const at = squares + 5 * range + e;
        let sum = accumulate ? sums[at]! : 0;
        for (let p = range; p < forest.predictionCount; p += TERM_RANGES) sum += terms[4 * p + e]!;
        expected.float("squares", at, e === 4 ? 0 : sum);
      }
    }
    const kernel = reduceTransformerGradientKernel(shape, places, {
      ...{ length: layout.length, splits, partialLength, headPartial, squares, vectors },
    });
    return {
      ...named(kernel, squares + TERM_RANGES),
      slot: batchSlot({ tokens: size, predictions: forest.predictionCount, accumulate: accumulate ? 1 : 0 }),
      buffers: {
        ...{ partials, parameters, residual, terms, gradients, squares: sums },
        occurrences: Uint32Array.from(forest.occurrences.subarray(0, vocabularySize + 1 + size)),
      },
      ...{ expected, tolerance: 2e-5 },
    };
  };

/** With an adapter: its gradients are there, but for the soft prompt's. */
const reduceAdapter =
  (accumulate: boolean): MakeCase =>
  (size) => {
    const shape = {
      ...{ ...tinyShape, layers: 1, feedForward, maxLength: 20, ropeBase: 1e4, normEpsilon: epsilon },
      tiedHead: true,
      adapter: { rank: 4, alpha: 6, projections: ["q"] as const, promptTokens: 3 },
    };
    const layout = transformerLayout(shape);
    const places = transformerPlaces(layout, shape);
    const length = layout.length - layout.trainable;
    const prompt = places.prompt! - layout.trainable;
    const [splits, squares] = [2, 64];
    const vectors = Math.ceil(length / 4 / squares);
    const ids = inputIds(shape);
    const residual = random(size * width, 3);
    const terms = random(4 * size, 4);
    const gradients = random(length, 5);
    const sums = random(squares + 5 * TERM_RANGES, 6);
    // Every other token is of the prompt.
    const idOf = (token: number): number =>
      token % 2 === 0 ? vocabularySize + ((token >> 1) % 3) : token % ids;
    const byId = Array.from({ length: ids }, (_, id) => counting(size).filter((token) => idOf(token) === id));
    const begins = byId.map((_, id) => byId.slice(0, id).reduce((sum, list) => sum + list.length, 0));
    const gradient = Float64Array.from(gradients);
    const expected = new Expectation();
    for (let at = prompt; at < length; at++) {
      const [id, c] = [vocabularySize + Math.floor((at - prompt) / width), (at - prompt) % width];
      const sum = byId[id]!.reduce((total, token) => total + residual[token * width + c]!, 0);
      gradient[at] = sum + (accumulate ? gradients[at]! : 0);
      expected.float("gradients", at, gradient[at]!);
    }
    for (let thread = 0; thread < squares; thread++) {
      let sum = 0;
      for (let n = 0; n < vectors; n++) {
        for (let e = 0; e < 4; e++) sum += (gradient[4 * (n * squares + thread) + e] ?? 0) ** 2;
      }
      expected.float("squares", thread, sum);
    }
    for (let range = 0; range < TERM_RANGES; range++) {
      for (let e = 0; e < 5; e++) {
        const at = squares + 5 * range + e;
        let sum = accumulate ? sums[at]! : 0;
        for (let p = range; p < size; p += TERM_RANGES) sum += terms[4 * p + e]!;
        expected.float("squares", at, e === 4 ? 0 : sum);
      }
    }
    const kernel = reduceTransformerGradientKernel(shape, places, {
      ...{
        length,
        splits,
        partialLength: layout.length,
        headPartial: 0,
        squares,
        vectors,
        adapter: { prompt },
      },
    });
    return {
      ...named(kernel, squares + TERM_RANGES),
      slot: batchSlot({ tokens: size, predictions: size, accumulate: accumulate ? 1 : 0 }),
      buffers: {
        ...{ residual, terms, gradients, squares: sums },
        occurrences: Uint32Array.from([...begins, size, ...byId.flat()]),
      },
      ...{ expected, tolerance: 2e-5 },
    };
  };

/** One case in every way of sharing loads, for each of these tiles; of large ones "npm test" has none. */
function cut(
  make: (variant: Variant) => MakeCase,
  tiles: Readonly<Record<string, Pick<Variant, "tile" | "inputs">>>,
  quads: (name: string) => boolean = () => true,
): { readonly variants: Record<string, MakeCase>; readonly sameBits: Record<string, string> } {
  const variants: Record<string, MakeCase> = {};
  const sameBits: Record<string, string> = {};
  for (const [name, tile] of Object.entries(tiles)) {
    variants[name] = make(tile);
    for (const sharing of quads(name) ? (["quads", "tiled"] as const) : (["tiled"] as const)) {
      variants[`${name}, ${sharing}`] = make({ ...tile, [sharing]: true });
      sameBits[`${name}, ${sharing}`] = name;
    }
  }
  return { variants, sameBits };
}

const tileOf = (rows: number, columns: number): { readonly tile: LinearTile } => ({
  tile: { rows, columns },
});
const forwardCuts = cut((variant) => forward({ kind: "store" }, 32, { ...variant, norm: true, save: true }), {
  ...{ "8 x 8": tileOf(8, 8), "16 x 8": tileOf(16, 8), "16 x 16": tileOf(16, 16) },
});
const backCuts = cut((variant) => inputGradient("store", variant), {
  ...{ "4 x 4": tileOf(4, 4), "8 x 8": tileOf(8, 8), "16 x 8": tileOf(16, 8) },
  "16 x 16": { ...tileOf(16, 16), inputs: 32 },
});
const weightCuts = cut(
  (variant) => weightGradient("plain", { ...variant, outputs: 32 }),
  {
    ...{ "4 x 4": tileOf(4, 4), "4 x 8": tileOf(4, 8), "8 x 8": tileOf(8, 8) },
    "8 x 16": { ...tileOf(8, 16), inputs: 32 },
  },
  (name) => name === "8 x 16",
);

const ropeEnd = (cache: boolean): LinearEnd => ({
  ...{ kind: "rope", headSize, rotated: (heads + keyValueHeads) * headSize, queryWidth: queries, cache },
});
const norm = { norm: true, save: true } as const;
const head = { ...norm, gather: true } as const;
const adaptedQkv = { tile: small, adapted: [queries, queries + keyValueHeads * headSize, qkv] } as const;
const adaptedWhole = { tile: small, adapted: [width] } as const;
const adaptedGate = { tile: small, adapted: [feedForward, 2 * feedForward] } as const;

export const matmulTests: readonly KernelTest[] = [
  {
    shader: "matmul/linear",
    variants: {
      "residual beside": forward({ kind: "residual", inPlace: false }, width, { tile: small }),
      "residual in place": forward({ kind: "residual", inPlace: true }, width, { tile: small }),
      "residual, quads": forward({ kind: "residual", inPlace: false }, width, { tile: small, quads: true }),
      "norm and rotary positions": forward(ropeEnd(false), qkv, { tile: small, ...norm }),
      "rotary positions, quads": forward(ropeEnd(false), qkv, { tile: small, ...norm, quads: true }),
      "rotary positions, cached": forward(ropeEnd(true), qkv, { tile: small, norm: true }),
      "norm and SwiGLU": forward({ kind: "swiglu" }, 2 * feedForward, { tile: small, ...norm }),
      "norm and SwiGLU, nothing saved": forward({ kind: "swiglu" }, 2 * feedForward, {
        tile: small,
        norm: true,
      }),
      "the head, gathered": forward({ kind: "store" }, vocabularySize, { tile: small, ...head }),
      "residual, tiled": forward({ kind: "residual", inPlace: false }, width, { tile: small, tiled: true }),
      "SwiGLU, tiled": forward({ kind: "swiglu" }, 2 * feedForward, { tile: small, ...norm, tiled: true }),
      "a chunk of the head": forward({ kind: "store" }, CHUNK, { tile: small, ...head, chunk: 13 }),
      "a chunk, tiled": forward({ kind: "store" }, CHUNK, { tile: small, ...head, chunk: 13, tiled: true }),
      "the head, tiled": forward({ kind: "store" }, vocabularySize, { tile: small, ...head, tiled: true }),
      "two columns": forward({ kind: "residual", inPlace: false }, 12, { tile: small }),
      "two columns, tiled": forward({ kind: "residual", inPlace: false }, 12, { tile: small, tiled: true }),
      "two columns, two rows": forward({ kind: "residual", inPlace: true }, 12, tileOf(2, 8)),
      "two rows, nothing saved": forward({ kind: "store" }, vocabularySize, { ...tileOf(2, 8), norm: true }),
      "adapted, rotary positions": forward(ropeEnd(false), qkv, { ...adaptedQkv, ...norm }),
      "adapted, rotary positions, cached": forward(ropeEnd(true), qkv, { ...adaptedQkv, norm: true }),
      "adapted, residual beside": forward({ kind: "residual", inPlace: false }, width, adaptedWhole),
      "adapted, residual in place": forward({ kind: "residual", inPlace: true }, width, adaptedWhole),
      "adapted, SwiGLU": forward({ kind: "swiglu" }, 2 * feedForward, { ...adaptedGate, ...norm }),
      "adapted, SwiGLU, nothing saved": forward({ kind: "swiglu" }, 2 * feedForward, {
        ...{ ...adaptedGate, norm: true },
      }),
      "adapted, heads apart": forward({ kind: "store" }, qkv, { ...adaptedQkv, ...norm }),
      "adapted, heads apart, nothing saved": forward({ kind: "store" }, qkv, { ...adaptedQkv, norm: true }),
      "norm, stored": forward({ kind: "store" }, qkv, { tile: small, ...norm }),
      ...forwardCuts.variants,
    },
    sameBits: {
      "residual, tiled": "residual beside",
      "SwiGLU, tiled": "norm and SwiGLU",
      "the head, tiled": "the head, gathered",
      "a chunk, tiled": "a chunk of the head",
      "residual, quads": "residual beside",
      "rotary positions, quads": "norm and rotary positions",
      "two columns, tiled": "two columns",
      ...forwardCuts.sameBits,
    },
    proofOnly: [
      ...["rotary positions, quads", "norm and SwiGLU, nothing saved", "a chunk, tiled", "norm, stored"],
      ...["two columns", "two columns, tiled", "two columns, two rows", "two rows, nothing saved"],
      ...["adapted, rotary positions", "adapted, rotary positions, cached", "adapted, residual beside"],
      ...["adapted, residual in place", "adapted, SwiGLU", "adapted, SwiGLU, nothing saved"],
      ...["adapted, heads apart", "adapted, heads apart, nothing saved"],
      ...Object.keys(forwardCuts.variants),
    ],
    fault: ["output[at] = residual[at] + u", "output[at] = residual[at] - u"],
  },
  {
    shader: "matmul/linear_input_gradient",
    variants: {
      plain: inputGradient("store", { tile: small }),
      "through the norm": inputGradient("norm", { tile: small }),
      "through the norm, added": inputGradient("accumulate", { tile: small }),
      "of the head, gathered": inputGradient("gather", { tile: small }),
      "of a chunk, added": inputGradient("chunk", { tile: small }),
      "of the last chunk": inputGradient("last chunk", { tile: small }),
      "of the last chunk, tiled": inputGradient("last chunk", { tile: small, tiled: true }),
      "through SwiGLU": inputGradient("swiglu", { tile: small }),
      quads: inputGradient("store", { tile: small, quads: true }),
      "through SwiGLU, quads": inputGradient("swiglu", { tile: small, quads: true }),
      tiled: inputGradient("store", { tile: small, tiled: true }),
      "of the head, tiled": inputGradient("gather", { tile: small, tiled: true }),
      "through SwiGLU, tiled": inputGradient("swiglu", { tile: small, tiled: true }),
      adapted: inputGradient("store", { tile: small, adapted: [28] }),
      "adapted, through the norm, added": inputGradient("accumulate", { tile: small, adapted: [12, 28] }),
      "adapted, through SwiGLU": inputGradient("swiglu", { tile: small, adapted: [28] }),
      ...backCuts.variants,
    },
    sameBits: {
      quads: "plain",
      tiled: "plain",
      "of the head, tiled": "of the head, gathered",
      "of the last chunk, tiled": "of the last chunk",
      "through SwiGLU, tiled": "through SwiGLU",
      "through SwiGLU, quads": "through SwiGLU",
      ...backCuts.sameBits,
    },
    proofOnly: [
      ...["through the norm", "of the last chunk, tiled", "adapted"],
      ...["adapted, through the norm, added", "adapted, through SwiGLU"],
      ...Object.keys(backCuts.variants),
    ],
    fault: ["y0[2] * w2_0", "y0[3] * w2_0"],
  },
  {
    shader: "matmul/linear_weight_gradient",
    variants: {
      plain: weightGradient("plain", { tile: small }),
      "behind a norm": weightGradient("norm", { tile: small }),
      "of the head, gathered": weightGradient("gather", { tile: small }),
      "of a chunk": weightGradient("chunk", { tile: small }),
      "of the last chunk": weightGradient("last chunk", tileOf(8, 16)),
      quads: weightGradient("norm", { ...tileOf(8, 16), inputs: 32, quads: true }),
      tiled: weightGradient("norm", { tile: small, tiled: true }),
      "of the head, tiled": weightGradient("gather", { tile: small, tiled: true }),
      ...weightCuts.variants,
    },
    sameBits: {
      ...{ tiled: "behind a norm", "of the head, tiled": "of the head, gathered" },
      ...weightCuts.sameBits,
    },
    proofOnly: Object.keys(weightCuts.variants),
    fault: ["(split + 1u) * range, rows)", "(split + 1u) * range - 1u, rows)"],
  },
  {
    shader: "optim/reduce_transformer_gradient",
    variants: {
      "tied head": reduce(true, false),
      "tied head, added": reduce(true, true),
      "own head": reduce(false, false),
      "an adapter's soft prompt": reduceAdapter(false),
      "an adapter's soft prompt, added": reduceAdapter(true),
    },
    proofOnly: ["an adapter's soft prompt", "an adapter's soft prompt, added"],
    fault: ["place < GAIN2", "place <= GAIN2"],
  },
];
