/**
 * The layers of a Llama-style decoder in f64, forward and backward. Rows are tokens: [T x width], row-major.
 * Backward functions return the gradient of the input and add the gradients of weights at their place in the arena.
 */

/** y = x W^T, W = parameters[weight ...] as [outputs x inputs]. Returns [T x outputs]. */
export function linear(
  x: Float64Array,
  parameters: ArrayLike<number>,
  weight: number,
  inputs: number,
  outputs: number,
): Float64Array {
  const rows = x.length / inputs;
  const y = new Float64Array(rows * outputs);
  for (let t = 0; t < rows; t++) {
    for (let o = 0; o < outputs; o++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += parameters[weight + o * inputs + i]! * x[t * inputs + i]!;
      y[t * outputs + o] = sum;
    }
  }
  return y;
}

/** Gradient of x, [T x inputs]; adds that of W to `gradient`. */
export function linearBackward(
  dy: Float64Array,
  x: Float64Array,
  parameters: ArrayLike<number>,
  weight: number,
  inputs: number,
  outputs: number,
  gradient: Float64Array,
): Float64Array {
  const rows = x.length / inputs;
  const dx = new Float64Array(x.length);
  for (let t = 0; t < rows; t++) {
    for (let o = 0; o < outputs; o++) {
      const d = dy[t * outputs + o]!;
      for (let i = 0; i < inputs; i++) {
        const w = weight + o * inputs + i;
        gradient[w]! += d * x[t * inputs + i]!;
        dx[t * inputs + i]! += d * parameters[w]!;
      }
    }
  }
  return dx;
}

/** Of a low-rank adapter: where B A is, and what it is scaled by (Hu et al. 2021, arXiv 2106.09685). */
export interface LowRank {
  /** Of A, [rank x inputs], and of B, [outputs x rank]. */
  readonly a: number;
  readonly b: number;
  readonly rank: number;
  readonly alpha: number;
}

/** alpha / rank (x A^T) B^T, [T x outputs]: what an adapter adds to its projection. */
export function lowRank(
  x: Float64Array,
  parameters: ArrayLike<number>,
  { a, b, rank, alpha }: LowRank,
  inputs: number,
  outputs: number,
): Float64Array {
  const low = linear(x, parameters, a, inputs, rank);
  return linear(low, parameters, b, rank, outputs).map((v) => (v * alpha) / rank);
}

/** Gradient of x through `lowRank`; adds those of A and B to `gradient`. */
export function lowRankBackward(
  dy: Float64Array,
  x: Float64Array,
  parameters: ArrayLike<number>,
  { a, b, rank, alpha }: LowRank,
  inputs: number,
  outputs: number,
  gradient: Float64Array,
): Float64Array {
  const low = linear(x, parameters, a, inputs, rank);
  const scaled = dy.map((v) => (v * alpha) / rank);
  const dLow = linearBackward(scaled, low, parameters, b, rank, outputs, gradient);
  return linearBackward(dLow, x, parameters, a, inputs, rank, gradient);
}

/** Adds parameters[bias ...] to every row of `width`. */
export function addBias(
  x: Float64Array,
  parameters: ArrayLike<number>,
  bias: number,
  width: number,
): Float64Array {
  return x.map((v, i) => v + parameters[bias + (i % width)]!);
}

/** Adds the gradient of the bias to `gradient`; that of x is `dy`. */
export function addBiasBackward(dy: Float64Array, bias: number, width: number, gradient: Float64Array): void {
  dy.forEach((v, i) => {
    gradient[bias + (i % width)]! += v;
  });
}

/** y = x / sqrt(mean(x^2) + epsilon) x g (Zhang and Sennrich 2019, arXiv 1910.07467); g = parameters[scale ...]. */
export function rmsNorm(
  x: Float64Array,
  parameters: ArrayLike<number>,
  scale: number,
  width: number,
  epsilon: number,
): Float64Array {
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += width) {
    const inverse = inverseRms(x, at, width, epsilon);
    for (let i = 0; i < width; i++) y[at + i] = x[at + i]! * inverse * parameters[scale + i]!;
  }
  return y;
}

/** Gradient of x; adds that of g to `gradient`. */
export function rmsNormBackward(
  dy: Float64Array,
  x: Float64Array,
  parameters: ArrayLike<number>,
  scale: number,
  width: number,
  epsilon: number,
  gradient: Float64Array,
): Float64Array {
  const dx = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += width) {
    const inverse = inverseRms(x, at, width, epsilon);
    let projection = 0;
    for (let i = 0; i < width; i++) projection += dy[at + i]! * parameters[scale + i]! * x[at + i]!;
    for (let i = 0; i < width; i++) {
      dx[at + i] =
        inverse * parameters[scale + i]! * dy[at + i]! - (x[at + i]! * inverse ** 3 * projection) / width;
      gradient[scale + i]! += dy[at + i]! * x[at + i]! * inverse;
    }
  }
  return dx;
}

function inverseRms(x: Float64Array, at: number, width: number, epsilon: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += x[at + i]! * x[at + i]!;
  return 1 / Math.sqrt(sum / width + epsilon);
}

/**
 * Rotary positions, rotate-half pairing (Su et al. 2021, arXiv 2104.09864, in the layout of Hugging Face's Llama):
 * the pair (i, i + D/2) of every head turns by position x base^(-2i/D). `x` is [T x heads x headSize];
 * `direction` -1 turns back, which is the gradient's pass.
 */
export function rope(
  x: Float64Array,
  positions: ArrayLike<number>,
  headSize: number,
  base: number,
  direction: 1 | -1,
): Float64Array {
  const y = new Float64Array(x.length);
  const half = headSize / 2;
  const width = x.length / positions.length;
  for (let at = 0; at < x.length; at += headSize) {
    const position = positions[Math.floor(at / width)]!;
    for (let i = 0; i < half; i++) {
      const angle = position * base ** ((-2 * i) / headSize);
      const cosine = Math.cos(angle);
      const sine = direction * Math.sin(angle);
      const a = x[at + i]!;
      const b = x[at + half + i]!;
      y[at + i] = a * cosine - b * sine;
      y[at + half + i] = b * cosine + a * sine;
    }
  }
  return y;
}

export interface AttentionShape {
  readonly heads: number;
  /** Divides `heads`; consecutive query heads share one key and value head. */
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Keys at or after this are padding and seen by nobody; default: all are real. */
  readonly keys?: number;
}

export interface Attention {
  /** [T x heads x headSize] */
  readonly output: Float64Array;
  /** Per head and query the softmax weights, [heads x T x T], zero where masked. */
  readonly probabilities: Float64Array;
}

/**
 * Causal grouped-query attention, scale 1 / sqrt(headSize) (Vaswani et al. 2017, arXiv 1706.03762, equation 1;
 * Ainslie et al. 2023, arXiv 2305.13245). q is [T x heads x headSize]; k and v are [T x keyValueHeads x headSize].
 */
export function attention(
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  shape: AttentionShape,
): Attention {
  const { heads, keyValueHeads, headSize } = shape;
  const length = q.length / (heads * headSize);
  const keys = shape.keys ?? length;
  const output = new Float64Array(q.length);
  const probabilities = new Float64Array(heads * length * length);
  for (let h = 0; h < heads; h++) {
    const g = Math.floor((h * keyValueHeads) / heads);
    for (let t = 0; t < length; t++) {
      const seen = Math.min(t + 1, keys);
      const p = probabilities.subarray((h * length + t) * length, (h * length + t) * length + seen);
      for (let s = 0; s < seen; s++) {
        let dot = 0;
        for (let i = 0; i < headSize; i++) {
          dot += q[(t * heads + h) * headSize + i]! * k[(s * keyValueHeads + g) * headSize + i]!;
        }
        p[s] = dot / Math.sqrt(headSize);
      }
      const largest = p.reduce((a, b) => Math.max(a, b), -Infinity);
      let sum = 0;
      for (let s = 0; s < seen; s++) sum += p[s] = Math.exp(p[s]! - largest);
      for (let s = 0; s < seen; s++) {
        p[s]! /= sum;
        for (let i = 0; i < headSize; i++) {
          output[(t * heads + h) * headSize + i]! += p[s]! * v[(s * keyValueHeads + g) * headSize + i]!;
        }
      }
    }
  }
  return { output, probabilities };
}

/** Gradients of q, k and v. */
export function attentionBackward(
  dOutput: Float64Array,
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  probabilities: Float64Array,
  shape: AttentionShape,
): { readonly dq: Float64Array; readonly dk: Float64Array; readonly dv: Float64Array } {
  const { heads, keyValueHeads, headSize } = shape;
  const length = q.length / (heads * headSize);
  const keys = shape.keys ?? length;
  const scale = 1 / Math.sqrt(headSize);
  const dq = new Float64Array(q.length);
  const dk = new Float64Array(k.length);
  const dv = new Float64Array(v.length);
  for (let h = 0; h < heads; h++) {
    const g = Math.floor((h * keyValueHeads) / heads);
    for (let t = 0; t < length; t++) {
      const seen = Math.min(t + 1, keys);
      const query = (t * heads + h) * headSize;
      const p = probabilities.subarray((h * length + t) * length, (h * length + t) * length + seen);
      const dp = new Float64Array(seen);
      let mean = 0;
      for (let s = 0; s < seen; s++) {
        const key = (s * keyValueHeads + g) * headSize;
        for (let i = 0; i < headSize; i++) {
          dp[s]! += dOutput[query + i]! * v[key + i]!;
          dv[key + i]! += p[s]! * dOutput[query + i]!;
        }
        mean += p[s]! * dp[s]!;
      }
      for (let s = 0; s < seen; s++) {
        const key = (s * keyValueHeads + g) * headSize;
        const score = p[s]! * (dp[s]! - mean) * scale;
        for (let i = 0; i < headSize; i++) {
          dq[query + i]! += score * k[key + i]!;
          dk[key + i]! += score * q[query + i]!;
        }
      }
    }
  }
  return { dq, dk, dv };
}

/** silu(gate) x up, element by element (Shazeer 2020, arXiv 2002.05202). */
export function swiGlu(gate: Float64Array, up: Float64Array): Float64Array {
  return gate.map((x, i) => (x / (1 + Math.exp(-x))) * up[i]!);
}

/** Gradients of gate and up. */
export function swiGluBackward(
  dy: Float64Array,
  gate: Float64Array,
  up: Float64Array,
): { readonly dGate: Float64Array; readonly dUp: Float64Array } {
  const dGate = new Float64Array(gate.length);
  const dUp = new Float64Array(gate.length);
  for (let i = 0; i < gate.length; i++) {
    const x = gate[i]!;
    const sigmoid = 1 / (1 + Math.exp(-x));
    dGate[i] = dy[i]! * up[i]! * sigmoid * (1 + x * (1 - sigmoid));
    dUp[i] = dy[i]! * x * sigmoid;
  }
  return { dGate, dUp };
}
