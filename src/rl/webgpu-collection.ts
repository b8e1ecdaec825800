import type { Stage } from "../gpu/plan.ts";
import { gaeKernel } from "../kernels/gae.ts";
import { normalizationKernel } from "../kernels/normalization.ts";
import { permutationHalfBits } from "../kernels/permutation.ts";
import { rolloutKernel } from "../kernels/rollout.ts";
import { shuffleKernel } from "../kernels/shuffle.ts";
import { statisticsKernel } from "../kernels/statistics.ts";
import { wholeEpisodesKernel } from "../kernels/whole-episodes.ts";
import { headConstants } from "./webgpu-head.ts";
import type { PpoPlan } from "./webgpu-plan.ts";

/** What runs before an update's minibatches: steps, running statistics, advantages, order, statistics. */
export function collectionStages({ request, layout, sizes, buffers }: PpoPlan): {
  readonly rollout: Stage;
  /** Once an update each, in this order, those that the algorithm needs. */
  readonly credit: readonly Stage[];
} {
  const { environment, reward, cost = null, envs, steps, epochs, groups = null } = request;
  const { normalizeObservations = false, normalizeRewards = false } = request;
  const whole = request.episodes === "whole";
  const running = buffers.normalization ? [buffers.normalization, buffers.rawObservations!] : [];
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
  const shuffle: Stage = {
    kernel: shuffleKernel,
    constants: { ...data, EPOCHS: epochs, HALF_BITS: permutationHalfBits(steps * envs) },
    buffers: [scalars, buffers.indices],
    invocations: epochs * steps * envs,
    workgroup: 64,
  };
  const statistics: Stage = {
    kernel: statisticsKernel,
    constants: {
      ...data,
      BATCH: request.minibatchSize,
      MINIBATCHES: sizes.minibatches,
      NORMALIZE: request.normalizeAdvantages,
      WHOLE: whole,
    },
    buffers: [transitions, buffers.indices, episodes, buffers.statistics, buffers.metrics],
    invocations: (sizes.minibatches + 1) * 64,
    workgroup: 64,
  };
  const credit = (): Stage[] => {
    const perEnvironment = { invocations: envs, workgroup: sizes.rolloutWorkgroup };
    const stages: Stage[] = [];
    if (buffers.normalization) {
      const size = environment.observationSize;
      stages.push({
        kernel: normalizationKernel,
        constants: {
          ...data,
          WHOLE: whole,
          OBSERVATION_SIZE: size,
          FIRST_QUANTITY: normalizeObservations ? 0 : size,
        },
        buffers: [scalars, transitions, buffers.rawObservations!, buffers.normalization],
        invocations: ((normalizeObservations ? size : 0) + (normalizeRewards ? 1 : 0)) * 64,
        workgroup: 64,
      });
    }
    stages.push({
      kernel: gaeKernel(normalizeRewards),
      constants: {
        ...data,
        COSTED: cost !== null,
        NORMALIZE_REWARDS: normalizeRewards,
        OBSERVATION_SIZE: environment.observationSize,
      },
      buffers: [scalars, transitions, ...(normalizeRewards ? [buffers.normalization!] : [])],
      ...perEnvironment,
    });
    if (whole) {
      const aggregation = groups?.aggregation ?? "step-mean";
      stages.push({
        kernel: wholeEpisodesKernel,
        constants: {
          ...data,
          EPISODE_MEAN: aggregation === "episode-mean",
          STEP_MEAN: aggregation === "step-mean",
          GROUPED: groups !== null,
          GROUP: groups?.size ?? 1,
          STANDARDIZED: groups?.advantage === "standardized",
          LEAVE_ONE_OUT: groups?.advantage === "leave-one-out",
        },
        buffers: [episodes, transitions],
        ...perEnvironment,
      });
    }
    return stages;
  };
  return {
    rollout: {
      kernel: rolloutKernel(normalizeObservations),
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
        ...headConstants(environment),
        MAX_EPISODE_STEPS: whole ? Math.min(environment.maxEpisodeSteps, steps) : environment.maxEpisodeSteps,
        BOOTSTRAP: request.truncationBootstrap,
        CUSTOM_REWARD: reward !== null,
        COSTED: cost !== null,
        KEEPS_PREVIOUS: reward !== null || cost !== null,
        WHOLE: whole,
        GROUP: groups?.size ?? 1,
        NORMALIZE_OBSERVATIONS: normalizeObservations,
      },
      parts: {
        environment: environment.wgsl,
        ...(reward === null ? {} : { reward: reward.wgsl }),
        ...(cost === null ? {} : { cost: costSource(cost.wgsl) }),
      },
      buffers: [
        ...[scalars, parameters, environments, episodes, observations, transitions],
        ...(normalizeObservations ? running : []),
      ],
      invocations: envs,
      workgroup: sizes.rolloutWorkgroup,
    },
    credit: [...credit(), shuffle, statistics],
  };
}

/** A cost is compiled as a reward is, under names of its own. */
const costSource = (wgsl: string): string =>
  wgsl.replaceAll("step_reward", "step_cost").replaceAll("reward_", "cost_");
