import type { LinearKernels } from "../kernels/wasm/transformer-module.ts";

/** Rows of one weight-gradient call: their activations stay in the second-level cache. */
const gradientRows = 128;

/** Adds dy^T x, [outputs x inputs], to `dWeight`, in blocks of rows; rows of dy are `stride` floats apart. */
export function linearGradient(
  kernels: LinearKernels,
  dy: number,
  { outputs, stride = outputs }: { readonly outputs: number; readonly stride?: number },
  x: number,
  inputs: number,
  dWeight: number,
  rows: number,
): void {
  for (let row = 0; row < rows; row += gradientRows) {
    const count = Math.min(gradientRows, rows - row);
    kernels.weight(dy + 4 * row * stride, x + 4 * row * inputs, dWeight, outputs, count);
  }
}
