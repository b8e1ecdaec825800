import type { TensorPlace } from "../towers.ts";
import {
  projectionSize,
  projectionTensors,
  transformerPlaces,
  type Projection,
  type TransformerDimensions,
  type TransformerLayerPlaces,
  type TransformerPlaces,
} from "../transformer-places.ts";
import {
  addBias,
  addBiasBackward,
  attention,
  attentionBackward,
  linear,
  linearBackward,
  lowRank,
  lowRankBackward,
  rmsNorm,
  rmsNormBackward,
  rope,
  swiGlu,
  swiGluBackward,
  type Attention,
} from "./transformer-layers.ts";

interface LayerTape {
  /** Residual stream before attention, [T x width]. */
  readonly input: Float64Array;
  readonly normed: Float64Array;
  /** Rotated queries and keys, and values. */
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
  /** Queries and keys before their norm; the same arrays as below where they have none. */
  readonly rawQ: Float64Array;
  readonly rawK: Float64Array;
  readonly attended: Attention;
  /** Residual stream before the feed-forward block. */
  readonly middle: Float64Array;
  readonly middleNormed: Float64Array;
  readonly gate: Float64Array;
  readonly up: Float64Array;
  readonly activated: Float64Array;
}

/** What one sequence's forward pass leaves behind for the backward pass. */
export interface TransformerTape {
  readonly tokens: readonly number[];
  /** [T x vocabularySize]; row t predicts token t + 1. */
  readonly logits: Float64Array;
  readonly layers: readonly LayerTape[];
  readonly output: Float64Array;
  readonly outputNormed: Float64Array;
}

/**
 * A Llama-style decoder on a flat parameter arena, one sequence at a time, in f64: embedding, then per layer
 * x += Wo attention(rope(nq(Wq n1(x) + bq)), rope(nk(Wk n1(x) + bk)), Wv n1(x) + bv) and
 * x += W2 (silu(W1 n2(x)) W3 n2(x)), then logits = head nf(x); biases and the heads' norms where there are such, and
 * W + alpha / rank B A for every adapted W. Gradients are of all tensors, frozen ones too.
 * Padding on the right is what is left out of the sequence: nothing real sees it.
 */
export class ReferenceTransformer {
  readonly dimensions: TransformerDimensions;
  readonly places: TransformerPlaces;
  /** Elements of the arena. */
  readonly length: number;
  /** Whether the adapter, if there is one, takes part; without it the model is the reference policy. */
  adapted = true;

  constructor(
    dimensions: TransformerDimensions,
    layout: { readonly tensors: readonly TensorPlace[]; readonly length: number },
  ) {
    this.dimensions = dimensions;
    this.places = transformerPlaces(layout, dimensions);
    this.length = layout.length;
  }

  forward(parameters: ArrayLike<number>, tokens: ArrayLike<number>): TransformerTape {
    const { width: d, heads, keyValueHeads, headSize, normEpsilon, ropeBase } = this.dimensions;
    const ids = Array.from(tokens);
    const positions = ids.map((_, t) => t);
    const norm = (x: Float64Array, scale: number, width: number): Float64Array =>
      rmsNorm(x, parameters, scale, width, normEpsilon);
    let x: Float64Array = new Float64Array(ids.length * d);
    ids.forEach((id, t) => {
      const from = this.#embedding(id);
      for (let i = 0; i < d; i++) x[t * d + i] = parameters[from + i]!;
    });
    const layers = this.places.layers.map((w): LayerTape => {
      const input = x;
      const normed = norm(input, w.n1, d);
      const project = (name: Projection, from: Float64Array): Float64Array =>
        this.#project(parameters, w, name, from);
      const biased = (name: "q" | "k" | "v"): Float64Array => {
        const bias = this.#bias(w, name);
        return bias === null
          ? project(name, normed)
          : addBias(project(name, normed), parameters, bias.at, bias.width);
      };
      const [rawQ, rawK, v] = [biased("q"), biased("k"), biased("v")];
      const q = rope(w.nq === null ? rawQ : norm(rawQ, w.nq, headSize), positions, headSize, ropeBase, 1);
      const k = rope(w.nk === null ? rawK : norm(rawK, w.nk, headSize), positions, headSize, ropeBase, 1);
      const attended = attention(q, k, v, { heads, keyValueHeads, headSize });
      const middle = sum(input, project("o", attended.output));
      const middleNormed = norm(middle, w.n2, d);
      const gate = project("gate", middleNormed);
      const up = project("up", middleNormed);
      const activated = swiGlu(gate, up);
      x = sum(middle, project("down", activated));
      return { input, normed, rawQ, rawK, q, k, v, attended, middle, middleNormed, gate, up, activated };
    });
    const outputNormed = norm(x, this.places.nf, d);
    const logits = linear(outputNormed, parameters, this.places.head, d, this.dimensions.vocabularySize);
    return { tokens: ids, logits, layers, output: x, outputNormed };
  }

  /** Adds d loss / d parameters to `gradient`, given d loss / d logits [T x vocabularySize]. */
  backward(
    parameters: ArrayLike<number>,
    tape: TransformerTape,
    logitsGradient: Float64Array,
    gradient: Float64Array,
  ): void {
    const {
      width: d,
      heads,
      keyValueHeads,
      headSize,
      normEpsilon,
      ropeBase,
      vocabularySize,
    } = this.dimensions;
    const { places } = this;
    const positions = tape.tokens.map((_, t) => t);
    const normBack = (dy: Float64Array, x: Float64Array, scale: number, width: number): Float64Array =>
      rmsNormBackward(dy, x, parameters, scale, width, normEpsilon, gradient);

    const { outputNormed } = tape;
    const dNormed = linearBackward(
      ...([logitsGradient, outputNormed, parameters, places.head, d, vocabularySize, gradient] as const),
    );
    let dx = normBack(dNormed, tape.output, places.nf, d);
    for (let l = places.layers.length - 1; l >= 0; l--) {
      const w = places.layers[l]!;
      const saved = tape.layers[l]!;
      const back = (name: Projection, dy: Float64Array, x: Float64Array): Float64Array =>
        this.#projectBackward(parameters, w, name, dy, x, gradient);
      const biasedBack = (name: "q" | "k" | "v", dy: Float64Array): Float64Array => {
        const bias = this.#bias(w, name);
        if (bias !== null) addBiasBackward(dy, bias.at, bias.width, gradient);
        return back(name, dy, saved.normed);
      };
      const dActivated = back("down", dx, saved.activated);
      const { dGate, dUp } = swiGluBackward(dActivated, saved.gate, saved.up);
      const dMiddleNormed = sum(back("gate", dGate, saved.middleNormed), back("up", dUp, saved.middleNormed));
      dx = sum(dx, normBack(dMiddleNormed, saved.middle, w.n2, d));
      const dAttended = back("o", dx, saved.attended.output);
      const { dq, dk, dv } = attentionBackward(
        dAttended,
        saved.q,
        saved.k,
        saved.v,
        saved.attended.probabilities,
        { heads, keyValueHeads, headSize },
      );
      const turned = (dy: Float64Array, raw: Float64Array, scale: number | null): Float64Array => {
        const before = rope(dy, positions, headSize, ropeBase, -1);
        return scale === null ? before : normBack(before, raw, scale, headSize);
      };
      const fromQ = biasedBack("q", turned(dq, saved.rawQ, w.nq));
      const fromK = biasedBack("k", turned(dk, saved.rawK, w.nk));
      const fromV = biasedBack("v", dv);
      dx = sum(dx, normBack(sum(sum(fromQ, fromK), fromV), saved.input, w.n1, d));
    }
    tape.tokens.forEach((id, t) => {
      const to = this.#embedding(id);
      for (let i = 0; i < d; i++) gradient[to + i]! += dx[t * d + i]!;
    });
  }

  #embedding(id: number): number {
    const { vocabularySize, width } = this.dimensions;
    if (id < vocabularySize) return this.places.emb + id * width;
    if (this.places.prompt === null) throw new Error(`no embedding of ${id}`);
    return this.places.prompt + (id - vocabularySize) * width;
  }

  #bias(w: TransformerLayerPlaces, name: "q" | "k" | "v"): { at: number; width: number } | null {
    if (w.bias === null) return null;
    const q = projectionSize(this.dimensions, "q").outputs;
    const kv = projectionSize(this.dimensions, "k").outputs;
    return { at: w.bias + { q: 0, k: q, v: q + kv }[name], width: name === "q" ? q : kv };
  }

  #project(
    parameters: ArrayLike<number>,
    w: TransformerLayerPlaces,
    name: Projection,
    x: Float64Array,
  ): Float64Array {
    const { inputs, outputs } = projectionSize(this.dimensions, name);
    const y = linear(x, parameters, w[projectionTensors[name]], inputs, outputs);
    const place = w.adapters[name];
    const { adapter } = this.dimensions;
    if (!this.adapted || place === undefined || adapter === undefined) return y;
    return sum(y, lowRank(x, parameters, { ...place, ...adapter }, inputs, outputs));
  }

  #projectBackward(
    parameters: ArrayLike<number>,
    w: TransformerLayerPlaces,
    name: Projection,
    dy: Float64Array,
    x: Float64Array,
    gradient: Float64Array,
  ): Float64Array {
    const { inputs, outputs } = projectionSize(this.dimensions, name);
    const weight = w[projectionTensors[name]];
    const dx = linearBackward(dy, x, parameters, weight, inputs, outputs, gradient);
    const place = w.adapters[name];
    const { adapter } = this.dimensions;
    if (!this.adapted || place === undefined || adapter === undefined) return dx;
    const low = { ...place, ...adapter };
    return sum(dx, lowRankBackward(dy, x, parameters, low, inputs, outputs, gradient));
  }
}

function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((x, i) => x + b[i]!);
}
