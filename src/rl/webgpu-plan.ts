import type { CompiledReward } from "../compile/compiled-reward.ts";
import type { Environment } from "../env/environment.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import { compileKernel, type CompiledKernel, type Kernel } from "../gpu/kernel.ts";
import { StaticPlan, type Dispatch } from "../gpu/plan.ts";
import type { ShaderOptions } from "../gpu/shader-source.ts";
import { adamwKernel } from "../kernels/adamw.ts";
import { backwardDataKernel } from "../kernels/backward-data.ts";
import { forwardLossKernel } from "../kernels/forward-loss.ts";
import { forwardKernel } from "../kernels/forward.ts";
import { gaeKernel } from "../kernels/gae.ts";
import { METRICS_LENGTH } from "../kernels/metrics.ts";
import { permutationHalfBits } from "../kernels/permutation.ts";
import { reduceGradientKernel } from "../kernels/reduce-gradient.ts";
import { rolloutKernel } from "../kernels/rollout.ts";
import { shuffleKernel } from "../kernels/shuffle.ts";
import { statisticsKernel } from "../kernels/statistics.ts";
import { weightGradientKernel } from "../kernels/weight-gradient.ts";
import { BlockedLayout } from "./webgpu-layout.ts";
import { planSizes, type PlanSizes } from "./webgpu-sizes.ts";

/** What a plan is made for; everything else is data in the scalars. */
export interface PpoPlanRequest {
  readonly environment: Environment;
  readonly reward: CompiledReward | null;
  readonly envs: number;
  readonly steps: number;
  readonly minibatchSize: number;
  readonly epochs: number;
  readonly hidden: readonly number[];
  readonly separateTowers: boolean;
  readonly normalizeAdvantages: boolean;
  readonly truncationBootstrap: boolean;
  /** Reads action masks from the transitions; default false. */
  readonly masked?: boolean;
  /** Register tiles in blocks of four samples or features; 4 suits software adapters, 2 hardware. */
  readonly tile?: number;
}

export interface PpoBuffers {
  readonly scalars: GPUBuffer;
  /** Blocked order, see `BlockedLayout`. */
  readonly parameters: GPUBuffer;
  /** First moments, then second. */
  readonly moments: GPUBuffer;
  readonly gradients: GPUBuffer;
  /** [envs x stateSize] */
  readonly environments: GPUBuffer;
  /** [envs x 8], shaders/common/episodes.wgsl. */
  readonly episodes: GPUBuffer;
  /** [steps x envs x padded observation] */
  readonly observations: GPUBuffer;
  /** Sections, shaders/common/transitions.wgsl. */
  readonly transitions: GPUBuffer;
  /** [epochs x steps x envs] */
  readonly indices: GPUBuffer;
  /** [minibatches of all epochs x 2] */
  readonly statistics: GPUBuffer;
  readonly metrics: GPUBuffer;
}

/** Every buffer and dispatch of one PPO job. */
export interface PpoPlan {
  readonly plan: StaticPlan;
  readonly layout: BlockedLayout;
  readonly sizes: PlanSizes;
  readonly buffers: PpoBuffers;
  /** One dispatch; runs once per chunk of steps, each with a slot of its own. */
  readonly rollout: Dispatch;
  readonly gae: Dispatch;
  readonly shuffle: Dispatch;
  readonly statistics: Dispatch;
  /** Run in order for every minibatch: 2 + 2 x hidden layers. */
  readonly minibatch: readonly Dispatch[];
}

/** Words of an environment's row in `episodes`. */
export const EPISODE_WORDS = 8;

/** Compiles all kernels in parallel, then makes buffers and bind groups. */
export async function createPpoPlan(gpu: GpuDevice, request: PpoPlanRequest): Promise<PpoPlan> {
  const { environment, reward, envs, steps, hidden, separateTowers } = request;
  if (hidden.length === 0) {
    throw new FulguriteError(
      "gpu/no-hidden-layer",
      "The WebGPU engine needs at least one hidden layer.",
      "Give `hidden` a width, for example [64], or train on the CPU engine.",
    );
  }
  const layout = new BlockedLayout({
    observationSize: environment.observationSize,
    actionCount: environment.actionCount,
    hidden,
    separateTowers,
  });
  const sizes = planSizes(gpu.software, request, layout);
  const { tile, sampleBlocks, smallPartials, splits, squares, vectors, statisticsBase } = sizes;
  const { towers, layers, observationBlocks, actorBlocks, smallLength, largeLength } = layout;
  const last = layers.length - 1;

  const data = { STEPS: steps, ENVS: envs };
  const batch = {
    BATCH: request.minibatchSize,
    SAMPLE_BLOCKS: sampleBlocks,
    OBSERVATION_BLOCKS: observationBlocks,
    TOWERS: towers,
    TILE_SAMPLES: tile,
    TILE_OUTPUTS: tile,
    SMALL_LENGTH: smallLength,
    FIRST_WEIGHT: layers[0]!.weight,
    FIRST_BIAS: layers[0]!.bias,
    FIRST_STRIDE: layers[0]!.stride,
  };
  const layer = (index: number): Record<string, number | boolean> => ({
    WEIGHT: layers[index]!.weight,
    BIAS: layers[index]!.bias,
    TOWER_STRIDE: layers[index]!.stride,
    INPUT_BLOCKS: layers[index]!.inputs,
    OUTPUT_BLOCKS: layers[index]!.outputs,
    FIRST: index === 0,
  });
  const heads = { HEAD_WEIGHT: layout.headWeight, HEAD_BIAS: layout.headBias, ACTOR_BLOCKS: actorBlocks };
  const reduction = { SMALL_PARTIALS: smallPartials, SPLITS: splits, STATISTICS_BASE: statisticsBase };

  const compile = (kernel: Kernel, constants: ShaderOptions["constants"] = {}): Promise<CompiledKernel> =>
    compileKernel(gpu, kernel, { constants });
  const tiles = (outputs: number): number => (towers * sampleBlocks * outputs) / tile ** 2;
  const lossRows = (towers * sampleBlocks) / tile;
  const compiling = {
    rollout: compileKernel(gpu, rolloutKernel, {
      constants: {
        ...data,
        ...heads,
        ...Object.fromEntries(
          layers.flatMap((each, l) => [
            [`WEIGHT_${l}`, each.weight],
            [`BIAS_${l}`, each.bias],
            [`STRIDE_${l}`, each.stride],
            [`INPUTS_${l}`, each.inputs],
            [`OUTPUTS_${l}`, each.outputs],
          ]),
        ),
        LAYERS: layers.length,
        TOWERS: towers,
        SEPARATE: separateTowers,
        HEAD_INPUTS: layers[last]!.outputs,
        WIDTH: Math.max(observationBlocks, ...layers.map((each) => each.outputs)),
        OBSERVATION_SIZE: environment.observationSize,
        OBSERVATION_BLOCKS: observationBlocks,
        STATE_SIZE: environment.stateFields.length,
        ACTIONS: environment.actionCount,
        MAX_EPISODE_STEPS: environment.maxEpisodeSteps,
        BOOTSTRAP: request.truncationBootstrap,
        CUSTOM_REWARD: reward !== null,
        WORKGROUP: sizes.rolloutWorkgroup,
      },
      parts: { environment: environment.wgsl, ...(reward === null ? {} : { reward: reward.wgsl }) },
    }),
    gae: compile(gaeKernel, { ...data, WORKGROUP: sizes.rolloutWorkgroup }),
    shuffle: compile(shuffleKernel, {
      ...data,
      EPOCHS: request.epochs,
      HALF_BITS: permutationHalfBits(steps * envs),
      WORKGROUP: 64,
    }),
    statistics: compile(statisticsKernel, {
      ...data,
      BATCH: request.minibatchSize,
      MINIBATCHES: sizes.minibatches,
      NORMALIZE: request.normalizeAdvantages,
    }),
    forward: layers.slice(0, -1).map((each, l) =>
      compile(forwardKernel(l === 0), {
        ...batch,
        ...layer(l),
        WORKGROUP: sizes.workgroup(tiles(each.outputs)),
      }),
    ),
    forwardLoss: compile(forwardLossKernel, {
      ...data,
      ...batch,
      ...layer(last),
      ...heads,
      STATISTICS_BASE: statisticsBase,
      TOWER_HEADS: sizes.towerHeads,
      WORKGROUP: sizes.workgroup(lossRows),
      ACTIONS: environment.actionCount,
      MASKED: request.masked ?? false,
    }),
    backwardData: layers.slice(1).map((above, l) =>
      compile(backwardDataKernel(l === 0), {
        ...batch,
        WEIGHT: above.weight,
        TOWER_STRIDE: above.stride,
        ABOVE_BLOCKS: above.outputs,
        OUTPUT_BLOCKS: above.inputs,
        FIRST: l === 0,
        WORKGROUP: sizes.workgroup(tiles(above.inputs)),
      }),
    ),
    weightGradient: layers.slice(1).map((each) =>
      compile(weightGradientKernel, {
        SAMPLE_BLOCKS: sampleBlocks,
        TOWERS: towers,
        SPLITS: splits,
        TILE_OUTPUTS: tile,
        TILE_INPUTS: tile,
        INPUT_BLOCKS: each.inputs,
        OUTPUT_BLOCKS: each.outputs,
        TOWER_STRIDE: each.stride,
        WEIGHT: each.weight - smallLength,
        BIAS: each.bias - smallLength,
        PARTIAL_BASE: smallPartials * smallLength,
        LARGE_LENGTH: largeLength,
        WORKGROUP: sizes.workgroup((towers * splits * each.inputs * each.outputs) / tile ** 2),
      }),
    ),
    reduce: compile(reduceGradientKernel, {
      ...reduction,
      SAMPLE_BLOCKS: sampleBlocks,
      SMALL_LENGTH: smallLength,
      LARGE_LENGTH: largeLength,
      SQUARES: squares,
      VECTORS: vectors,
      WORKGROUP: sizes.workgroup(squares),
    }),
    adamw: compile(adamwKernel, {
      LENGTH: layout.length,
      SQUARES: squares,
      VECTORS: vectors,
      WORKGROUP: sizes.workgroup(squares),
    }),
  };
  const [rollout, gae, shuffle, statistics, forwardLoss, reduce, adamw] = await Promise.all([
    compiling.rollout,
    compiling.gae,
    compiling.shuffle,
    compiling.statistics,
    compiling.forwardLoss,
    compiling.reduce,
    compiling.adamw,
  ]);
  const forward = await Promise.all(compiling.forward);
  const backwardData = await Promise.all(compiling.backwardData);
  const weightGradient = await Promise.all(compiling.weightGradient);

  const plan = new StaticPlan(gpu);
  const transitions = steps * envs;
  const buffers: PpoBuffers = {
    scalars: plan.slots(sizes.slots),
    parameters: plan.storage("parameters", layout.length),
    moments: plan.storage("moments", 2 * layout.length),
    gradients: plan.storage("gradients", layout.length),
    environments: plan.storage("environments", envs * environment.stateFields.length),
    episodes: plan.storage("episodes", envs * EPISODE_WORDS),
    observations: plan.storage("observations", transitions * observationBlocks * 4),
    transitions: plan.storage("transitions", transitions * 9 + envs),
    indices: plan.storage("indices", request.epochs * transitions),
    statistics: plan.storage("statistics", sizes.minibatches * 2),
    metrics: plan.storage("metrics", METRICS_LENGTH),
  };
  const partials = plan.storage("partials", statisticsBase + sampleBlocks * 8);
  const squaresBuffer = plan.storage("squares", squares + 16 * 5);
  const activation = (outputs: number): number => towers * sampleBlocks * outputs * 16;
  const hiddens = layers.slice(0, -1).map((each, l) => plan.storage(`hidden ${l}`, activation(each.outputs)));
  const deltas = layers.slice(1).map((each, l) => plan.storage(`delta ${l + 1}`, activation(each.outputs)));
  const scratch = last === 0 ? plan.storage("hidden", activation(layers[0]!.outputs)) : null;
  const { scalars, parameters, moments, gradients, observations, indices } = buffers;

  const minibatch: Dispatch[] = forward.map((compiled, l) =>
    plan.dispatch(
      compiled,
      [scalars, parameters, hiddens[l]!, ...(l === 0 ? [observations, indices] : [hiddens[l - 1]!])],
      tiles(layers[l]!.outputs),
      sizes.workgroup(tiles(layers[l]!.outputs)),
    ),
  );
  minibatch.push(
    plan.dispatch(
      forwardLoss,
      [
        ...[scalars, parameters, indices, buffers.transitions, buffers.statistics, partials],
        ...(last === 0 ? [scratch!, observations] : [deltas[last - 1]!, hiddens[last - 1]!]),
      ],
      lossRows,
      sizes.workgroup(lossRows),
    ),
  );
  for (let l = last; l > 0; l--) {
    const below = layers[l - 1]!.outputs;
    const above = deltas[l - 1]!;
    minibatch.push(
      plan.dispatch(
        backwardData[l - 1]!,
        [
          ...[scalars, parameters, above, hiddens[l - 1]!],
          ...(l === 1 ? [observations, indices, partials] : [deltas[l - 2]!]),
        ],
        tiles(below),
        sizes.workgroup(tiles(below)),
      ),
    );
    const weightTiles = (towers * splits * layers[l]!.inputs * layers[l]!.outputs) / tile ** 2;
    minibatch.push(
      plan.dispatch(
        weightGradient[l - 1]!,
        [hiddens[l - 1]!, above, partials],
        weightTiles,
        sizes.workgroup(weightTiles),
      ),
    );
  }
  minibatch.push(
    plan.dispatch(reduce, [partials, gradients, squaresBuffer], squares + 16, sizes.workgroup(squares)),
    plan.dispatch(
      adamw,
      [scalars, gradients, squaresBuffer, parameters, moments, buffers.metrics],
      squares,
      sizes.workgroup(squares),
    ),
  );

  return {
    plan,
    layout,
    sizes,
    buffers,
    rollout: plan.dispatch(
      rollout,
      [scalars, parameters, buffers.environments, buffers.episodes, observations, buffers.transitions],
      envs,
      sizes.rolloutWorkgroup,
    ),
    gae: plan.dispatch(gae, [scalars, buffers.transitions], envs, sizes.rolloutWorkgroup),
    shuffle: plan.dispatch(shuffle, [scalars, indices], request.epochs * transitions, 64),
    statistics: plan.dispatch(
      statistics,
      [buffers.transitions, indices, buffers.episodes, buffers.statistics, buffers.metrics],
      (sizes.minibatches + 1) * 64,
      64,
    ),
    minibatch,
  };
}
