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
  const at = addresses(shape);
  const { towers, rollout, training, custom, pages } = at;
  const logStd = layout.tensors.find((tensor) => tensor.name === "actor.logStd")?.offset ?? 0;
  const wasm = new WasmModule();
  const apart = towers.trunk.length === 0;
  const shares = threads !== null && apart;
  wasm.importMemory("host", "memory", pages, shares ? pages : null);
  wasm.define("rolloutForward", [], [], (body) => {
    forward(body, towers, at.parameters, rollout, "both");
    policyHead(body, {
      factors: at.factors,
      mask: at.rolloutMask,
      columns: rollout.columns,
      logits: rollout.actor.outputs.at(-1)!,
      probabilities: at.probabilities,
      logProbabilities: at.logProbabilities,
    });
  });
  wasm.define("rolloutValue", [], [], (body) => {
    forward(body, towers, at.parameters, rollout, "critic");
  });
  const rows: PpoRows = {
    factors: at.factors,
    mask: at.mask,
    surrogate: custom ?? (surrogate as Exclude<typeof surrogate, "custom">),
    dualClip,
    columns: training.columns,
    clipsValue: shape.clipsValue,
    scalars: at.scalars,
    metrics: at.metrics,
    logits: training.actor.outputs.at(-1)!,
    value: training.critic.outputs.at(-1)!,
    logitsGradient: training.actor.gradients.at(-1)!,
    valueGradient: training.critic.gradients.at(-1)!,
    dimensions: at.actionRows,
    logStd: at.parameters + logStd * 4,
    logStdGradient: at.gradient + logStd * 4,
    costReturn: at.costReturn,
    action: at.action,
    oldLogProbability: at.oldLogProbability,
    advantage: at.advantage,
    return: at.returns,
    oldValue: at.oldValue,
    weight: at.weight,
  };
  if (custom) {
    wasm.define("customForward", [], [], (body) => {
      forward(body, towers, at.parameters, training, "both");
      policyTerms(body, rows, custom);
    });
  }
  const pass = (body: FunctionBody, wanted: "both" | "actor" | "critic"): void => {
    if (!custom) forward(body, towers, at.parameters, training, wanted);
    ppoRows(body, rows, wanted);
    backward(body, towers, at.parameters, at.gradient, training, wanted);
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
  defineSumOfSquares(wasm, "sumOfSquares", at.gradient, layout.length);
  const { parameters, gradient, firstMoment, secondMoment } = at;
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
    parameters: view(at.parameters, layout.length),
    gradient: view(at.gradient, layout.length),
    firstMoment: view(at.firstMoment, layout.length),
    secondMoment: view(at.secondMoment, layout.length),
    scalars: view(at.scalars, ppoScalars.length),
    metrics: view(at.metrics, ppoMetrics.length * 4),
    rollout: {
      columns: rollout.columns,
      observations: view(rollout.observations, observationSize * rollout.columns),
      masks: words(at.rolloutMask, rollout.columns),
      outputs: view(rollout.actor.outputs.at(-1)!, head.outputs * rollout.columns),
      probabilities: view(at.probabilities, head.outputs * rollout.columns),
      logProbabilities: view(at.logProbabilities, head.outputs * rollout.columns),
      values: view(rollout.critic.outputs.at(-1)!, at.values * rollout.columns),
      forward: exported("rolloutForward"),
      forwardValue: exported("rolloutValue"),
    },
    training: {
      columns: training.columns,
      observations: view(training.observations, observationSize * training.columns),
      actions: view(at.action, at.actionRows * training.columns),
      masks: words(at.mask, training.columns),
      costReturns: view(at.costReturn ?? 0, at.costReturn === null ? 0 : training.columns),
      oldLogProbabilities: trainingColumn(at.oldLogProbability),
      advantages: trainingColumn(at.advantage),
      returns: trainingColumn(at.returns),
      oldValues: trainingColumn(at.oldValue),
      weights: trainingColumn(at.weight),
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
