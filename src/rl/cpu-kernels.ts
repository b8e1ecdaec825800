import { actorCriticTowers } from "../kernels/towers.ts";
import { WasmModule } from "../kernels/wasm/module.ts";
import { defineAdamW, defineSumOfSquares } from "../kernels/wasm/optimizer.ts";
import { policyHead, ppoMetrics, ppoRows, ppoScalars } from "../kernels/wasm/policy.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";
import { Arena, backward, blockColumns, forward, networkBuffers } from "./cpu-network.ts";

export interface CpuKernelShape {
  readonly layout: ParameterLayout;
  readonly observationSize: number;
  readonly actionCount: number;
  readonly envs: number;
  readonly minibatchSize: number;
  readonly clipsValue: boolean;
}

/** Forward passes while collecting: blocks of `columns` environments, [features x columns]. */
export interface RolloutBlock {
  readonly columns: number;
  readonly observations: Float32Array;
  /** [actions x columns], after `forward`. */
  readonly probabilities: Float32Array;
  readonly logProbabilities: Float32Array;
  /** [columns], after `forward` or `forwardValue`. */
  readonly values: Float32Array;
  forward(): void;
  forwardValue(): void;
}

/** One block of a minibatch: fill the inputs, `accumulate` adds to gradient and metrics. */
export interface TrainingBlock {
  readonly columns: number;
  /** [observationSize x columns] */
  readonly observations: Float32Array;
  /** [columns] each. */
  readonly actions: Float32Array;
  readonly oldLogProbabilities: Float32Array;
  readonly advantages: Float32Array;
  readonly returns: Float32Array;
  readonly oldValues: Float32Array;
  /** 1 / minibatch size, 0 for columns without a sample. */
  readonly weights: Float32Array;
  accumulate(): void;
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
}

/** Generates, compiles and instantiates the kernels; resolves when they can run. */
export async function createCpuKernels(shape: CpuKernelShape): Promise<CpuKernels> {
  const { layout, observationSize, actionCount, envs, minibatchSize } = shape;
  const towers = actorCriticTowers(layout);
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
  const probabilities = allocate(actionCount * rollout.columns);
  const logProbabilities = allocate(actionCount * rollout.columns);
  const column = (): number => allocate(training.columns);
  const [action, oldLogProbability, advantage, returns, oldValue, weight] = [
    column(),
    column(),
    column(),
    column(),
    column(),
    column(),
  ];

  const wasm = new WasmModule();
  const pages = arena.pages;
  wasm.importMemory("engine", "memory", pages);
  wasm.define("rolloutForward", [], [], (body) => {
    forward(body, towers, parameters, rollout, "both");
    policyHead(body, {
      actions: actionCount,
      columns: rollout.columns,
      logits: rollout.actor.outputs.at(-1)!,
      probabilities,
      logProbabilities,
    });
  });
  wasm.define("rolloutValue", [], [], (body) => {
    forward(body, towers, parameters, rollout, "critic");
  });
  wasm.define("accumulate", [], [], (body) => {
    forward(body, towers, parameters, training, "both");
    ppoRows(body, {
      actions: actionCount,
      columns: training.columns,
      clipsValue: shape.clipsValue,
      scalars,
      metrics,
      logits: training.actor.outputs.at(-1)!,
      value: training.critic.outputs.at(-1)!,
      logitsGradient: training.actor.gradients.at(-1)!,
      valueGradient: training.critic.gradients.at(-1)!,
      action,
      oldLogProbability,
      advantage,
      return: returns,
      oldValue,
      weight,
    });
    backward(body, towers, parameters, gradient, training);
  });
  defineSumOfSquares(wasm, "sumOfSquares", gradient, layout.length);
  defineAdamW(wasm, "adamW", { parameters, gradient, firstMoment, secondMoment, length: layout.length });

  const memory = new WebAssembly.Memory({ initial: pages });
  const { instance } = await WebAssembly.instantiate(wasm.encode(), { engine: { memory } });
  const exported = <T>(name: string): T => instance.exports[name] as T;
  const view = (address: number, count: number): Float32Array =>
    new Float32Array(memory.buffer, address, count);
  const trainingColumn = (address: number): Float32Array => view(address, training.columns);
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
      probabilities: view(probabilities, actionCount * rollout.columns),
      logProbabilities: view(logProbabilities, actionCount * rollout.columns),
      values: view(rollout.critic.outputs.at(-1)!, rollout.columns),
      forward: exported("rolloutForward"),
      forwardValue: exported("rolloutValue"),
    },
    training: {
      columns: training.columns,
      observations: view(training.observations, observationSize * training.columns),
      actions: trainingColumn(action),
      oldLogProbabilities: trainingColumn(oldLogProbability),
      advantages: trainingColumn(advantage),
      returns: trainingColumn(returns),
      oldValues: trainingColumn(oldValue),
      weights: trainingColumn(weight),
      accumulate: exported("accumulate"),
    },
    sumOfSquares: exported("sumOfSquares"),
    adamW: exported("adamW"),
  };
}
