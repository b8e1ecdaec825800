import { random4, stream } from "../kernels/philox.ts";
import { orthogonal } from "./orthogonal.ts";
import type { ParameterLayout } from "./parameter-layout.ts";

/**
 * Start weights: orthogonal with each tensor's gain ("37 implementation details of PPO", detail 2), biases zero.
 * Normals come from the counter RNG by Box-Muller, made of + - x / and sqrt only, so that every engine and browser
 * gets the same bits. Returns `layout.length` f32; gaps between tensors are zero.
 */
export function initializeParameters(layout: ParameterLayout, seed: number): Float32Array {
  const parameters = new Float32Array(layout.length);
  layout.tensors.forEach((tensor, number) => {
    if (tensor.gain === null) return;
    const [rows = 1, columns = 1] = tensor.shape;
    const weight = orthogonal(standardNormals(seed, number, tensor.length), rows, columns, tensor.gain);
    parameters.set(weight, tensor.offset);
  });
  return parameters;
}

/** `count` normals of one tensor: words 0 and 1 of a counter make elements 0 and 1, words 2 and 3 the next two. */
export function standardNormals(seed: number, tensor: number, count: number): Float64Array {
  const normals = new Float64Array(Math.ceil(count / 4) * 4);
  const words = new Uint32Array(4);
  for (let i = 0; i < normals.length; i += 4) {
    random4(seed, stream.initialization, tensor, i / 4, words);
    for (let pair = 0; pair < 4; pair += 2) {
      // (0, 1], so that the logarithm is finite.
      const u = ((words[pair]! >>> 8) + 1) * 2 ** -24;
      const radius = Math.sqrt(-2 * naturalLogarithm(u));
      const [sine, cosine] = sineAndCosineOfTurn((words[pair + 1]! >>> 8) * 2 ** -24);
      normals[i + pair] = radius * cosine;
      normals[i + pair + 1] = radius * sine;
    }
  }
  return normals.subarray(0, count);
}

/** ln x for x in (0, 1], to about 1e-16: 2 artanh((m - 1) / (m + 1)) - n ln 2 with x = m / 2^n. */
export function naturalLogarithm(x: number): number {
  let m = x;
  let halvings = 0;
  while (m < Math.SQRT1_2) {
    m *= 2;
    halvings++;
  }
  const s = (m - 1) / (m + 1);
  const square = s * s;
  let sum = 0;
  for (let k = 23; k >= 1; k -= 2) sum = sum * square + 1 / k;
  return 2 * s * sum - halvings * Math.LN2;
}

/** Sine and cosine of 2 pi u for u in [0, 1), to about 1e-16: quadrant, then Taylor on [0, pi / 2). */
export function sineAndCosineOfTurn(u: number): [number, number] {
  const quadrant = Math.floor(u * 4);
  const x = (u * 4 - quadrant) * (Math.PI / 2);
  const square = x * x;
  let sine = 0;
  let cosine = 0;
  for (let k = 22; k >= 2; k -= 2) {
    cosine = (1 - cosine) * (square / (k * (k - 1)));
    sine = (1 - sine) * (square / ((k + 1) * k));
  }
  sine = x * (1 - sine);
  cosine = 1 - cosine;
  if (quadrant === 0) return [sine, cosine];
  if (quadrant === 1) return [cosine, -sine];
  if (quadrant === 2) return [-sine, -cosine];
  return [-cosine, sine];
}
