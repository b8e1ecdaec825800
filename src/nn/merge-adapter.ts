import { projectionSize, projectionTensors, transformerPlaces } from "../kernels/transformer-places.ts";
import { transformerLayout, type TransformerShape } from "./transformer-layout.ts";

/**
 * The same policy without an adapter: every adapted W becomes W + alpha / rank B A, summed in f64. A soft prompt cannot be
 * merged and is left out. A shape without an adapter comes back as it is, with a copy of its parameters.
 */
export function mergeAdapter(
  shape: TransformerShape,
  parameters: Float32Array,
): { readonly shape: TransformerShape; readonly parameters: Float32Array } {
  const { adapter, ...plain } = shape;
  const merged = parameters.slice(0, transformerLayout(plain).length);
  if (!adapter) return { shape, parameters: merged };
  const { rank, alpha } = adapter;
  for (const layer of transformerPlaces(transformerLayout(shape), shape).layers) {
    for (const name of adapter.projections) {
      const { inputs, outputs } = projectionSize(shape, name);
      const { a, b } = layer.adapters[name]!;
      const weight = layer[projectionTensors[name]];
      for (let o = 0; o < outputs; o++) {
        for (let i = 0; i < inputs; i++) {
          let change = 0;
          for (let r = 0; r < rank; r++)
            change += parameters[b + o * rank + r]! * parameters[a + r * inputs + i]!;
          merged[weight + o * inputs + i] = parameters[weight + o * inputs + i]! + (alpha / rank) * change;
        }
      }
    }
  }
  return { shape: plain, parameters: merged };
}
