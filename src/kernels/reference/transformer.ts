import type { TensorPlace } from "../towers.ts";
import {
  transformerPlaces,
  type TransformerDimensions,
  type TransformerPlaces,
} from "../transformer-places.ts";
import {
  attention,
  attentionBackward,
  linear,
  linearBackward,
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
 * x += Wo attention(rope(Wq n1(x)), rope(Wk n1(x)), Wv n1(x)) and x += W2 (silu(W1 n2(x)) W3 n2(x)), then
 * logits = head nf(x). Padding on the right is what is left out of the sequence: nothing real sees it.
 */
export class ReferenceTransformer {
  readonly dimensions: TransformerDimensions;
  readonly places: TransformerPlaces;
  /** Elements of the arena. */
  readonly length: number;

  constructor(
    dimensions: TransformerDimensions,
    layout: { readonly tensors: readonly TensorPlace[]; readonly length: number },
  ) {
    this.dimensions = dimensions;
    this.places = transformerPlaces(layout, dimensions);
    this.length = layout.length;
  }

  forward(parameters: ArrayLike<number>, tokens: ArrayLike<number>): TransformerTape {
    const { width: d, heads, keyValueHeads, headSize, feedForward, normEpsilon, ropeBase } = this.dimensions;
    const ids = Array.from(tokens);
    const positions = ids.map((_, t) => t);
    const queryWidth = heads * headSize;
    const keyWidth = keyValueHeads * headSize;
    let x: Float64Array = new Float64Array(ids.length * d);
    ids.forEach((id, t) => {
      for (let i = 0; i < d; i++) x[t * d + i] = parameters[this.places.emb + id * d + i]!;
    });
    const layers = this.places.layers.map((w): LayerTape => {
      const input = x;
      const normed = rmsNorm(input, parameters, w.n1, d, normEpsilon);
      const q = rope(linear(normed, parameters, w.wq, d, queryWidth), positions, headSize, ropeBase, 1);
      const k = rope(linear(normed, parameters, w.wk, d, keyWidth), positions, headSize, ropeBase, 1);
      const v = linear(normed, parameters, w.wv, d, keyWidth);
      const attended = attention(q, k, v, { heads, keyValueHeads, headSize });
      const middle = sum(input, linear(attended.output, parameters, w.wo, queryWidth, d));
      const middleNormed = rmsNorm(middle, parameters, w.n2, d, normEpsilon);
      const gate = linear(middleNormed, parameters, w.w1, d, feedForward);
      const up = linear(middleNormed, parameters, w.w3, d, feedForward);
      const activated = swiGlu(gate, up);
      x = sum(middle, linear(activated, parameters, w.w2, feedForward, d));
      return { input, normed, q, k, v, attended, middle, middleNormed, gate, up, activated };
    });
    const outputNormed = rmsNorm(x, parameters, this.places.nf, d, normEpsilon);
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
    const { width: d, heads, keyValueHeads, headSize, feedForward, normEpsilon, ropeBase } = this.dimensions;
    const { places } = this;
    const positions = tape.tokens.map((_, t) => t);
    const queryWidth = heads * headSize;
    const keyWidth = keyValueHeads * headSize;
    const back = (
      dy: Float64Array,
      x: Float64Array,
      weight: number,
      inputs: number,
      outputs: number,
    ): Float64Array => linearBackward(dy, x, parameters, weight, inputs, outputs, gradient);
    const normBack = (dy: Float64Array, x: Float64Array, scale: number): Float64Array =>
      rmsNormBackward(dy, x, parameters, scale, d, normEpsilon, gradient);

    const dNormed = back(logitsGradient, tape.outputNormed, places.head, d, this.dimensions.vocabularySize);
    let dx = normBack(dNormed, tape.output, places.nf);
    for (let l = places.layers.length - 1; l >= 0; l--) {
      const w = places.layers[l]!;
      const saved = tape.layers[l]!;
      const dActivated = back(dx, saved.activated, w.w2, feedForward, d);
      const { dGate, dUp } = swiGluBackward(dActivated, saved.gate, saved.up);
      const dMiddleNormed = sum(
        back(dGate, saved.middleNormed, w.w1, d, feedForward),
        back(dUp, saved.middleNormed, w.w3, d, feedForward),
      );
      dx = sum(dx, normBack(dMiddleNormed, saved.middle, w.n2));
      const dAttended = back(dx, saved.attended.output, w.wo, queryWidth, d);
      const { dq, dk, dv } = attentionBackward(
        dAttended,
        saved.q,
        saved.k,
        saved.v,
        saved.attended.probabilities,
        { heads, keyValueHeads, headSize },
      );
      const fromQ = back(rope(dq, positions, headSize, ropeBase, -1), saved.normed, w.wq, d, queryWidth);
      const fromK = back(rope(dk, positions, headSize, ropeBase, -1), saved.normed, w.wk, d, keyWidth);
      const fromV = back(dv, saved.normed, w.wv, d, keyWidth);
      dx = sum(dx, normBack(sum(sum(fromQ, fromK), fromV), saved.input, w.n1));
    }
    tape.tokens.forEach((id, t) => {
      for (let i = 0; i < d; i++) gradient[places.emb + id * d + i]! += dx[t * d + i]!;
    });
  }
}

function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((x, i) => x + b[i]!);
}
