import type { PolicyHead } from "../kernels/action-space.ts";
import { actorCriticTowers } from "../kernels/towers.ts";
import type { FunctionBody } from "../kernels/wasm/function-body.ts";
import { WasmModule } from "../kernels/wasm/module.ts";
import { defineAdamW, defineRmsProp, defineSumOfSquares } from "../kernels/wasm/optimizer.ts";
import {
  policyHead,
  policyTerms,
  ppoMetrics,
  ppoRows,
  ppoScalars,
  type CustomLoss,
  type PpoRows,
} from "../kernels/wasm/policy.ts";
import type { OpenThreads, Slicing } from "../kernels/wasm/threads.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";
import { Arena, backward, blockColumns, forward, networkBuffers } from "./cpu-network.ts";

export interface CpuKernelShape {
  readonly layout: ParameterLayout;
  readonly observationSize: number;
  readonly head: PolicyHead;
  readonly envs: number;
  readonly minibatchSize: number;
  readonly clipsValue: boolean;
  /** Default: nothing is forbidden. */
  readonly masked?: boolean;
  /** Default "clip"; "custom": `TrainingBlock.rowLoss` says it. */
  readonly surrogate?: "clip" | "score" | "custom";
  /** Default false. */
  readonly dualClip?: boolean;
  /** Default "adamw". */
  readonly optimizer?: "adamw" | "rmsprop" | "rmsprop-tensorflow";
}

/** Forward passes while collecting: blocks of `columns` environments, [features x columns]. */
export interface RolloutBlock {
  readonly columns: number;
  readonly observations: Float32Array;
  /** [columns], bit k allows output k; only where masked. */
  readonly masks: Uint32Array;
  /** [outputs x columns], after `forward`: logits or means. */
  readonly outputs: Float32Array;
  /** [outputs x columns], after `forward`; nothing of a normal distribution. */
  readonly probabilities: Float32Array;
  readonly logProbabilities: Float32Array;
  /** [values x columns], after `forward` or `forwardValue`. */
  readonly values: Float32Array;
  forward(): void;
  forwardValue(): void;
}

/** One block of a minibatch: fill the inputs, `accumulate` adds to gradient and metrics. */
export interface TrainingBlock {
  readonly columns: number;
  /** [observationSize x columns] */
  readonly observations: Float32Array;
  /** [factors x columns], the choices' numbers; of normal distributions [dimensions x columns], the action. */
  readonly actions: Float32Array;
  /** [columns] each; masks only where masked. */
  readonly masks: Uint32Array;
  readonly oldLogProbabilities: Float32Array;
  readonly advantages: Float32Array;
  readonly returns: Float32Array;
  readonly oldValues: Float32Array;
  /** Empty where there is one value. */
  readonly costReturns: Float32Array;
  /** 1 / minibatch size, 0 for columns without a sample. */
  readonly weights: Float32Array;
  accumulate(): void;
  /** With a custom loss: the block's columns that it reads and those that it writes, before `accumulate` goes back. */
  readonly custom: CustomColumns | null;
}

/** [columns] each. */
export interface CustomColumns {
  readonly logProbabilities: Float32Array;
  readonly entropies: Float32Array;
  readonly values: Float32Array;
  readonly losses: Float32Array;
  readonly byLogProbability: Float32Array;
  readonly byValue: Float32Array;
  readonly byEntropy: Float32Array;
  /** Fills the first three; `accumulate` then only goes back. */
  forward(): void;
}

/** WebAssembly compiled for one network and batch shape; all arrays are views of its memory. */
export interface CpuKernels {
  readonly parameters: Float32Array;
  readonly gradient: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  readonly rollout: RolloutBlock;
  readonly training: TrainingBlock;
  /** In the order of `ppoScalars`. */
  readonly scalars: Float32Array;
  /** Four lanes for each of `ppoMetrics`. */
  readonly metrics: Float32Array;
  sumOfSquares(): number;
  adamW(scale: number, decay: number, stepSize: number, rootCorrection: number, epsilon: number): void;
  /** In place of `adamW` where the optimizer is one of the other two. */
  rmsProp(
    scale: number,
    decay: number,
    stepSize: number,
    alpha: number,
    complement: number,
    epsilon: number,
  ): void;
  /** Ends the threads; nothing else may be called after it. */
  dispose(): void;
}

/** Where everything stands in the kernels' memory; nothing is made. */
function addresses(shape: CpuKernelShape) {
  const { layout, head, envs, minibatchSize, masked = false, surrogate = "clip" } = shape;
  const factors = head.kind === "gaussian" ? [] : head.factors;
  const towers = actorCriticTowers(layout);
  const values = towers.critic.at(-1)!.outputs;
  const arena = new Arena();
  const allocate = (count: number): number => arena.allocate(count);
  const parameters = allocate(layout.length);
  const gradient = allocate(layout.length);
  const firstMoment = allocate(layout.length);
  const secondMoment = allocate(layout.length);
  const scalars = allocate(ppoScalars.length);
  const metrics = allocate(ppoMetrics.length * 4);
  const rollout = networkBuffers(towers, blockColumns(envs), allocate);
  const training = networkBuffers(towers, blockColumns(minibatchSize), allocate);
  const probabilities = allocate(head.outputs * rollout.columns);
  const logProbabilities = allocate(head.outputs * rollout.columns);
  const rolloutMask = masked ? allocate(rollout.columns) : null;
  const column = (): number => allocate(training.columns);
  const actionRows = head.kind === "gaussian" ? head.outputs : factors.length;
  const action = allocate(actionRows * training.columns);
  const mask = masked ? column() : null;
  const costReturn = values === 2 ? column() : null;
  const oldLogProbability = column();
  const advantage = column();
  const returns = column();
  const oldValue = column();
  const weight = column();
  const custom: CustomLoss | null =
    surrogate === "custom"
      ? {
          logProbability: column(),
          entropy: column(),
          loss: column(),
          byLogProbability: column(),
          byValue: column(),
          byEntropy: column(),
        }
      : null;
  return {
    factors,
    towers,
    values,
    pages: arena.pages,
    parameters,
    gradient,
    firstMoment,
    secondMoment,
    scalars,
    metrics,
    rollout,
    training,
    probabilities,
    logProbabilities,
    rolloutMask,
    action,
    actionRows,
    mask,
    costReturn,
    oldLogProbability,
    advantage,
    returns,
    oldValue,
    weight,
    custom,
  };
}

/** Bytes of WebAssembly memory that the kernels take. */
export const kernelBytes = (shape: CpuKernelShape): number => addresses(shape).pages * 65_536;

/**
 * Generates, compiles and instantiates the kernels; resolves when they can run. With `threads`, actor and critic of a block
 * are trained beside each other, the same bits; not where they have a trunk in common.
 */
export async function createCpuKernels(
  shape: CpuKernelShape,
  threads: OpenThreads | null = null,
): Promise<CpuKernels> {
  const { layout, observationSize, head } = shape;
  const { surrogate = "clip", dualClip = false, optimizer = "adamw" } = shape;
  const {
    factors,
    towers,
    values,
    pages,
    parameters,
    gradient,
    firstMoment,
    secondMoment,
    scalars,
    metrics,
    rollout,
    training,
    probabilities,
    logProbabilities,
    rolloutMask,
    action,
    actionRows,
    mask,
    costReturn,
    oldLogProbability,
    advantage,
    returns,
    oldValue,
    weight,
    custom,
  } = addresses(shape);
  const logStd = layout.tensors.find((tensor) => tensor.name === "actor.logStd")?.offset ?? 0;
  const wasm = new WasmModule();
  const apart = towers.trunk.length === 0;
  const shares = threads !== null && apart;
  wasm.importMemory("host", "memory", pages, shares ? pages : null);
  wasm.define("rolloutForward", [], [], (body) => {
    forward(body, towers, parameters, rollout, "both");
    policyHead(body, {
      factors,
      mask: rolloutMask,
      columns: rollout.columns,
      logits: rollout.actor.outputs.at(-1)!,
      probabilities,
      logProbabilities,
    });
  });
  wasm.define("rolloutValue", [], [], (body) => {
    forward(body, towers, parameters, rollout, "critic");
  });
  const rows: PpoRows = {
    factors,
    mask,
    surrogate: custom ?? (surrogate as Exclude<typeof surrogate, "custom">),
    dualClip,
    columns: training.columns,
    clipsValue: shape.clipsValue,
    scalars,
    metrics,
    logits: training.actor.outputs.at(-1)!,
    value: training.critic.outputs.at(-1)!,
    logitsGradient: training.actor.gradients.at(-1)!,
    valueGradient: training.critic.gradients.at(-1)!,
    dimensions: actionRows,
    logStd: parameters + logStd * 4,
    logStdGradient: gradient + logStd * 4,
    costReturn,
    action,
    oldLogProbability,
    advantage,
    return: returns,
    oldValue,
    weight,
  };
  if (custom) {
    wasm.define("customForward", [], [], (body) => {
      forward(body, towers, parameters, training, "both");
      policyTerms(body, rows, custom);
    });
  }
  const pass = (body: FunctionBody, wanted: "both" | "actor" | "critic"): void => {
    if (!custom) forward(body, towers, parameters, training, wanted);
    ppoRows(body, rows, wanted);
    backward(body, towers, parameters, gradient, training, wanted);
  };
  const [actor, critic] = (apart ? (["actor", "critic"] as const) : (["both"] as const)).map((wanted) =>
    wasm.define(null, [], [], (body) => {
      pass(body, wanted);
    }),
  );
  // `count` of the two from the `first` on; a trunk goes with the actor.
  wasm.define("accumulate", ["i32", "i32"], [], (body) => {
    const [first, count] = body.parameters;
    body
      .get(first!)
      .op("i32.eqz")
      .if(null, () => body.call(actor!));
    if (critic === undefined) return;
    body
      .get(first!)
      .get(count!)
      .op("i32.add")
      .i32(1)
      .op("i32.gt_s")
      .if(null, () => body.call(critic));
  });
  defineSumOfSquares(wasm, "sumOfSquares", gradient, layout.length);
  const arenas = { parameters, gradient, firstMoment, secondMoment, length: layout.length };
  if (optimizer === "adamw") defineAdamW(wasm, "adamW", arenas);
  else defineRmsProp(wasm, "rmsProp", arenas, optimizer === "rmsprop-tensorflow");

  const memory = new WebAssembly.Memory(
    shares ? { initial: pages, maximum: pages, shared: true } : { initial: pages },
  );
  const { instance, module } = await WebAssembly.instantiate(wasm.encode(), { host: { memory } });
  const workers = shares ? threads(memory) : null;
  const passes: Slicing = {
    ...{ count: 1, grain: 1, steps: () => [1, 0] },
    // Forward, back to the weights and back to the inputs.
    work: () => 1.5 * layout.length * training.columns,
  };
  const exports = workers?.share(module, instance.exports, { accumulate: passes }) ?? instance.exports;
  const exported = <T>(name: string): T => exports[name] as T;
  const accumulate = exported<(first: number, count: number) => void>("accumulate");
  const view = (address: number, count: number): Float32Array =>
    new Float32Array(memory.buffer, address, count);
  const trainingColumn = (address: number): Float32Array => view(address, training.columns);
  const words = (address: number | null, count: number): Uint32Array =>
    new Uint32Array(memory.buffer, address ?? 0, address === null ? 0 : count);
  return {
    parameters: view(parameters, layout.length),
    gradient: view(gradient, layout.length),
    firstMoment: view(firstMoment, layout.length),
    secondMoment: view(secondMoment, layout.length),
    scalars: view(scalars, ppoScalars.length),
    metrics: view(metrics, ppoMetrics.length * 4),
    rollout: {
      columns: rollout.columns,
      observations: view(rollout.observations, observationSize * rollout.columns),
      masks: words(rolloutMask, rollout.columns),
      outputs: view(rollout.actor.outputs.at(-1)!, head.outputs * rollout.columns),
      probabilities: view(probabilities, head.outputs * rollout.columns),
      logProbabilities: view(logProbabilities, head.outputs * rollout.columns),
      values: view(rollout.critic.outputs.at(-1)!, values * rollout.columns),
      forward: exported("rolloutForward"),
      forwardValue: exported("rolloutValue"),
    },
    training: {
      columns: training.columns,
      observations: view(training.observations, observationSize * training.columns),
      actions: view(action, actionRows * training.columns),
      masks: words(mask, training.columns),
      costReturns: view(costReturn ?? 0, costReturn === null ? 0 : training.columns),
      oldLogProbabilities: trainingColumn(oldLogProbability),
      advantages: trainingColumn(advantage),
      returns: trainingColumn(returns),
      oldValues: trainingColumn(oldValue),
      weights: trainingColumn(weight),
      accumulate: () => {
        accumulate(0, 2);
      },
      custom: custom && {
        logProbabilities: trainingColumn(custom.logProbability),
        entropies: trainingColumn(custom.entropy),
        values: trainingColumn(training.critic.outputs.at(-1)!),
        losses: trainingColumn(custom.loss),
        byLogProbability: trainingColumn(custom.byLogProbability),
        byValue: trainingColumn(custom.byValue),
        byEntropy: trainingColumn(custom.byEntropy),
        forward: exported("customForward"),
      },
    },
    sumOfSquares: exported("sumOfSquares"),
    adamW: exported("adamW"),
    rmsProp: exported("rmsProp"),
    dispose: () => workers?.dispose(),
  };
}
