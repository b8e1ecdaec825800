import type { Stage } from "../gpu/plan.ts";
import { gaeKernel } from "../kernels/gae.ts";
import { permutationHalfBits } from "../kernels/permutation.ts";
import { rolloutKernel } from "../kernels/rollout.ts";
import { shuffleKernel } from "../kernels/shuffle.ts";
import { statisticsKernel } from "../kernels/statistics.ts";
import type { PpoPlan } from "./webgpu-plan.ts";

/** What runs before an update's minibatches: steps, advantages, order, statistics. */
export function collectionStages({ request, layout, sizes, buffers }: PpoPlan): {
  readonly rollout: Stage;
  readonly gae: Stage;
  readonly shuffle: Stage;
  readonly statistics: Stage;
} {
  const { environment, reward, envs, steps, epochs } = request;
  const { layers, observationBlocks } = layout;
  const { scalars, parameters, environments, episodes, observations, transitions } = buffers;
  const data = { STEPS: steps, ENVS: envs };
  const perLayer = layers.flatMap((layer, l) => [
    [`WEIGHT_${l}`, layer.weight],
    [`BIAS_${l}`, layer.bias],
    [`STRIDE_${l}`, layer.stride],
    [`INPUTS_${l}`, layer.inputs],
    [`OUTPUTS_${l}`, layer.outputs],
  ]);
  return {
    rollout: {
      kernel: rolloutKernel,
      constants: {
        ...data,
        ...(Object.fromEntries(perLayer) as Record<string, number>),
        LAYERS: layers.length,
        TOWERS: layout.towers,
        HEAD_WEIGHT: layout.headWeight,
        HEAD_BIAS: layout.headBias,
        HEAD_INPUTS: layers.at(-1)!.outputs,
        ACTOR_BLOCKS: layout.actorBlocks,
        HEAD_BLOCKS: layout.headBlocks,
        VALUE_ROW: layout.valueRow,
        WIDTH: Math.max(observationBlocks, ...layers.map((layer) => layer.outputs)),
        OBSERVATION_SIZE: environment.observationSize,
        OBSERVATION_BLOCKS: observationBlocks,
        STATE_SIZE: environment.stateFields.length,
        ACTIONS: environment.actionCount,
        MAX_EPISODE_STEPS: environment.maxEpisodeSteps,
        BOOTSTRAP: request.truncationBootstrap,
        CUSTOM_REWARD: reward !== null,
      },
      parts: { environment: environment.wgsl, ...(reward === null ? {} : { reward: reward.wgsl }) },
      buffers: [scalars, parameters, environments, episodes, observations, transitions],
      invocations: envs,
      workgroup: sizes.rolloutWorkgroup,
    },
    gae: {
      kernel: gaeKernel,
      constants: data,
      buffers: [scalars, transitions],
      invocations: envs,
      workgroup: sizes.rolloutWorkgroup,
    },
    shuffle: {
      kernel: shuffleKernel,
      constants: { ...data, EPOCHS: epochs, HALF_BITS: permutationHalfBits(steps * envs) },
      buffers: [scalars, buffers.indices],
      invocations: epochs * steps * envs,
      workgroup: 64,
    },
    statistics: {
      kernel: statisticsKernel,
      constants: {
        ...data,
        BATCH: request.minibatchSize,
        MINIBATCHES: sizes.minibatches,
        NORMALIZE: request.normalizeAdvantages,
      },
      buffers: [transitions, buffers.indices, episodes, buffers.statistics, buffers.metrics],
      invocations: (sizes.minibatches + 1) * 64,
      workgroup: 64,
    },
  };
}
