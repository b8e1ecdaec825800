import { standardNormals } from "./initialize.ts";
import type { ParameterLayout } from "./parameter-layout.ts";

/**
 * Start weights of a transformer: every weight normal with its tensor's `gain` as standard deviation, norm scales
 * one, biases and an adapter's B zero (GPT-2's scheme, Radford et al. 2019, with the residual projections scaled down
 * by sqrt(2 layers)). Counter RNG and own elementary functions, so that every engine and browser gets the same bits.
 * Returns `layout.length` f32.
 */
export function initializeTransformer(layout: ParameterLayout, seed: number): Float32Array {
  const parameters = new Float32Array(layout.length);
  layout.tensors.forEach(({ offset, length, gain }, number) => {
    if (gain === null) {
      parameters.fill(1, offset, offset + length);
      return;
    }
    if (gain === 0) return;
    const normals = standardNormals(seed, number, length);
    for (let i = 0; i < length; i++) parameters[offset + i] = normals[i]! * gain;
  });
  return parameters;
}
