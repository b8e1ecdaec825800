import type { Stage } from "../gpu/plan.ts";
import { adamwKernel, optimizerConstants } from "../kernels/adamw.ts";
import { backwardDataKernel } from "../kernels/backward-data.ts";
import { forwardLossKernel } from "../kernels/forward-loss.ts";
import { forwardKernel } from "../kernels/forward.ts";
import { reduceGradientKernel } from "../kernels/reduce-gradient.ts";
import { weightGradientKernel } from "../kernels/weight-gradient.ts";
import type { BlockedLayer } from "./webgpu-layout.ts";
import { headConstants } from "./webgpu-head.ts";
import type { PpoPlan } from "./webgpu-plan.ts";

/**
 * One minibatch, in order: the hidden layers but the last; the last with heads, loss and its dz; for every layer
 * from there down to the second the dz below and the weight gradient; the gradient's reduction; AdamW.
 * Activations are buffers of this function's own, kept by the plan.
 */
export function minibatchStages({ request, plan, layout, sizes, buffers }: PpoPlan): Stage[] {
  const { environment, envs, steps, minibatchSize } = request;
  const { tile, wide, sampleBlocks, smallPartials, splits, squares, vectors, statisticsBase } = sizes;
  const { towers, layers, actorBlocks, smallLength, largeLength } = layout;
  const { scalars, parameters, moments, gradients, observations, indices } = buffers;
  const first = layers[0]!;
  const last = layers.length - 1;
  const activation = (label: string, layer: Pick<BlockedLayer, "outputs">): GPUBuffer =>
    plan.storage(label, towers * sampleBlocks * layer.outputs * 16);
  const hidden = layers.slice(0, -1).map((layer, l) => activation(`hidden ${l}`, layer));
  // Of each pair of layers one dz is read while the other is written: two buffers hold all of them, by turns.
  const deltas = [0, 1].map((turn) => {
    // The first layer's dz is never stored, except as scratch where it is the only layer.
    const sharing = layers.filter((_, l) => l % 2 === turn && (l > 0 || last === 0));
    const outputs = Math.max(0, ...sharing.map((layer) => layer.outputs));
    return sharing.length === 0 ? null : activation(`delta ${turn}`, { outputs });
  });
  const delta = layers.map((_, l) => (l > 0 || last === 0 ? deltas[l % 2]! : null));
  const partials = buffers.partials;
  const squaresBuffer = plan.storage("squares", squares + LOSS_TERMS);

  const batch = {
    BATCH: minibatchSize,
    SAMPLE_BLOCKS: sampleBlocks,
    OBSERVATION_BLOCKS: layout.observationBlocks,
    TOWERS: towers,
    QUADS: sizes.quads,
    TILE_SAMPLES: tile,
    TILE_OUTPUTS: tile,
    SMALL_LENGTH: smallLength,
    FIRST_WEIGHT: first.weight,
    FIRST_BIAS: first.bias,
    FIRST_STRIDE: first.stride,
  };
  const weights = (layer: BlockedLayer): Record<string, number> => ({
    WEIGHT: layer.weight,
    BIAS: layer.bias,
    TOWER_STRIDE: layer.stride,
    INPUT_BLOCKS: layer.inputs,
    OUTPUT_BLOCKS: layer.outputs,
  });
  const threads = (invocations: number): Pick<Stage, "invocations" | "workgroup"> => ({
    invocations,
    workgroup: sizes.workgroup(invocations),
  });
  const tiles = (outputs: number): number => (towers * sampleBlocks * outputs) / tile ** 2;

  const stages: Stage[] = layers.slice(0, -1).map((layer, l) => ({
    kernel: forwardKernel(l === 0),
    constants: { ...batch, ...weights(layer), FIRST: l === 0 },
    buffers: [scalars, parameters, hidden[l]!, ...(l === 0 ? [observations, indices] : [hidden[l - 1]!])],
    ...threads(tiles(layer.outputs)),
  }));
  stages.push({
    kernel: forwardLossKernel,
    constants: {
      ...batch,
      ...weights(layers[last]!),
      FIRST: last === 0,
      STEPS: steps,
      ENVS: envs,
      HEAD_WEIGHT: layout.headWeight,
      HEAD_BIAS: layout.headBias,
      ACTOR_BLOCKS: actorBlocks,
      HEAD_BLOCKS: layout.headBlocks,
      // Within its tower.
      VALUE_ROW: towers === 2 ? 0 : layout.valueRow,
      TOWER_HEADS: sizes.towerHeads,
      STATISTICS_BASE: statisticsBase,
      ...headConstants(environment, request.masked),
      SCORE: request.surrogate === "score",
      WHOLE: request.episodes === "whole",
      COSTED: (request.cost ?? null) !== null,
      CUSTOM_LOSS: (request.loss ?? null) !== null,
    },
    ...(request.loss ? { parts: { loss: request.loss.wgsl } } : {}),
    buffers: [
      ...[scalars, parameters, indices, buffers.transitions, buffers.statistics, partials, delta[last]!],
      last === 0 ? observations : hidden[last - 1]!,
    ],
    ...threads((towers * sampleBlocks) / tile),
  });
  for (let l = last; l > 0; l--) {
    const above = layers[l]!;
    stages.push(
      {
        kernel: backwardDataKernel(l === 1),
        constants: {
          ...batch,
          WEIGHT: above.weight,
          TOWER_STRIDE: above.stride,
          ABOVE_BLOCKS: above.outputs,
          OUTPUT_BLOCKS: above.inputs,
          FIRST: l === 1,
          TILE_OUTPUTS: wide,
        },
        buffers: [
          ...[scalars, parameters, delta[l]!, hidden[l - 1]!],
          ...(l === 1 ? [observations, indices, partials] : [delta[l - 1]!]),
        ],
        ...threads((tiles(above.inputs) * tile) / wide),
      },
      {
        kernel: weightGradientKernel,
        constants: {
          ...weights(above),
          WEIGHT: above.weight - smallLength,
          BIAS: above.bias - smallLength,
          QUADS: sizes.quads && (above.inputs / tile) % 4 === 0,
          SAMPLE_BLOCKS: sampleBlocks,
          TOWERS: towers,
          SPLITS: splits,
          TILE_OUTPUTS: wide,
          TILE_INPUTS: tile,
          PARTIAL_BASE: smallPartials * smallLength,
          LARGE_LENGTH: largeLength,
        },
        buffers: [hidden[l - 1]!, delta[l]!, partials],
        ...threads((towers * splits * above.inputs * above.outputs) / (tile * wide)),
      },
    );
  }
  stages.push(
    {
      kernel: reduceGradientKernel,
      constants: {
        SMALL_PARTIALS: smallPartials,
        SPLITS: splits,
        STATISTICS_BASE: statisticsBase,
        SAMPLE_BLOCKS: sampleBlocks,
        SMALL_LENGTH: smallLength,
        LARGE_LENGTH: largeLength,
        SQUARES: squares,
        VECTORS: vectors,
      },
      buffers: [partials, gradients, squaresBuffer],
      ...threads(squares + LOSS_TERM_RANGES),
    },
    {
      kernel: adamwKernel,
      constants: {
        LENGTH: layout.length,
        SQUARES: squares,
        VECTORS: vectors,
        ...optimizerConstants({
          optimizer: request.optimizer ?? "adamw",
          klStop: request.klStop?.when ?? null,
          batch: minibatchSize,
        }),
      },
      buffers: [scalars, gradients, squaresBuffer, parameters, moments, buffers.metrics],
      ...threads(squares),
    },
  );
  return stages;
}

/** As in optim/reduce_gradient.wgsl: ranges of sample blocks, five loss terms each. */
const LOSS_TERM_RANGES = 16;
const LOSS_TERMS = LOSS_TERM_RANGES * 5;
