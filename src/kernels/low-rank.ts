import forward from "../../shaders/transformer/low_rank.wgsl?raw";
import gradient from "../../shaders/transformer/low_rank_gradient.wgsl?raw";
import weights from "../../shaders/transformer/low_rank_weights.wgsl?raw";
import { namedKernel, type NamedKernel } from "./named-kernel.ts";
import {
  projectionSize,
  projectionTensors,
  type Projection,
  type TransformerDimensions,
  type TransformerPlaces,
} from "./transformer-places.ts";

/** The adapters of one matrix, or of several that share an input and lie side by side. Offsets in floats, from where they begin. */
export interface LowRankGroup {
  readonly rank: number;
  /** Their A's, one below the other: [parts x rank, inputs]. */
  readonly a: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Scale of the RMS norm in front, or null. */
  readonly gain: number | null;
  /** Which outputs each of them changes, and its B, [outputs, rank]. */
  readonly parts: readonly { readonly begin: number; readonly end: number; readonly b: number }[];
}

/** Floats of a row of A x. */
export const lowWidth = ({ rank, parts }: LowRankGroup): number => rank * parts.length;

/** The first layer's adapters of the projections `names`, or null where they have none. `trainable` is where all begin. */
export function lowRankGroup(
  shape: TransformerDimensions,
  places: TransformerPlaces,
  trainable: number,
  names: readonly Projection[],
): LowRankGroup | null {
  const layer = places.layers[0]!;
  const { rank } = shape.adapter ?? { rank: 0 };
  const parts: { begin: number; end: number; b: number; a: number }[] = [];
  let outputs = 0;
  for (const name of names) {
    const end = outputs + projectionSize(shape, name).outputs;
    const place = layer.adapters[name];
    if (place) parts.push({ begin: outputs, end, b: place.b - trainable, a: place.a - trainable });
    outputs = end;
  }
  if (parts.length === 0) return null;
  const { inputs } = projectionSize(shape, names[0]!);
  const weight = layer[projectionTensors[names[0]!]];
  const gain = weight === layer.wq ? layer.n1 : weight === layer.w1 ? layer.n2 : null;
  return { rank, a: parts[0]!.a, inputs, outputs, gain, parts };
}

/** Constants of shaders that take part of a group in, `PARTS` = 0 where there is none. */
export function lowRankConstants(group: LowRankGroup | null): Record<string, number | boolean> {
  const constants: Record<string, number | boolean> = {
    ADAPTER: group !== null,
    PARTS: group?.parts.length ?? 0,
    RANK: (group?.rank ?? 0) / 4,
    LOW: (group ? lowWidth(group) : 0) / 4,
    A: (group?.a ?? 0) / 4,
  };
  group?.parts.forEach(({ begin, end, b }, p) => {
    constants[`PART_BEGIN_${p}`] = begin;
    constants[`PART_END_${p}`] = end;
    constants[`PART_B_${p}`] = b / 4;
  });
  return constants;
}

function constants(group: LowRankGroup): Record<string, number | boolean> {
  return {
    ...lowRankConstants(group),
    INPUTS: group.inputs / 4,
    OUTPUTS: group.outputs,
    NORM: group.gain !== null,
    GAIN: (group.gain ?? 0) / 4,
  };
}

/** A x. Thread per row and four of `lowWidth`. */
export function lowRankKernel(group: LowRankGroup, epsilon: number): NamedKernel {
  return namedKernel(
    "transformer/low_rank",
    forward,
    { parameters: group.gain !== null && "read", adapters: "read", input: "read", low: "write" },
    { ...constants(group), EPSILON: epsilon.toExponential() },
  );
}

/** alpha / rank B^T dy. Thread per row and four of `lowWidth`. */
export function lowRankGradientKernel(group: LowRankGroup): NamedKernel {
  return namedKernel(
    "transformer/low_rank_gradient",
    gradient,
    { adapters: "read", gradient: "read", lowGradient: "write" },
    constants(group),
  );
}

/** Gradients of A and B; `tiles` threads in all. */
export function lowRankWeightsKernel(group: LowRankGroup): {
  readonly kernel: NamedKernel;
  readonly tiles: number;
} {
  const norm = group.gain !== null && "read";
  const kernel = namedKernel(
    "transformer/low_rank_weights",
    weights,
    {
      ...{ parameters: norm, inverses: norm, gradient: "read", input: "read" },
      ...{ low: "read", lowGradient: "read", gradients: "write" },
    },
    constants(group),
  );
  const changed = group.parts.reduce((sum, { begin, end }) => sum + end - begin, 0);
  return { kernel, tiles: (lowWidth(group) * group.inputs + changed * group.rank) / 4 };
}
