import { actorCriticTowers, type ActorCriticTowers, type DenseLayer } from "../kernels/towers.ts";
import { matrixProduct, weightGradient } from "../kernels/wasm/dense.ts";
import type { FunctionBody } from "../kernels/wasm/function-body.ts";
import { WasmModule } from "../kernels/wasm/module.ts";
import { defineAdamW, defineSumOfSquares } from "../kernels/wasm/optimizer.ts";
import { policyHead, ppoMetrics, ppoRows, ppoScalars } from "../kernels/wasm/policy.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";

/** Samples that go through the network together: activations of a 64-wide layer then fit the first-level cache. */
const BLOCK_COLUMNS = 64;

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

/** Addresses of what a tower's layers leave behind, one [outputs x columns] a layer. */
interface TowerBuffers {
  readonly outputs: readonly number[];
  readonly gradients: readonly number[];
}

interface NetworkBuffers {
  readonly columns: number;
  readonly observations: number;
  readonly trunk: TowerBuffers;
  readonly actor: TowerBuffers;
  readonly critic: TowerBuffers;
}

/** Generates, compiles and instantiates the kernels; resolves when they can run. */
export async function createCpuKernels(shape: CpuKernelShape): Promise<CpuKernels> {
  const { layout, observationSize, actionCount, envs, minibatchSize } = shape;
  const towers = actorCriticTowers(layout);
  let end = 0;
  const allocate = (count: number): number => {
    const address = end;
    end += Math.ceil((count * 4) / 64) * 64;
    return address;
  };
  const parameters = allocate(layout.length);
  const gradient = allocate(layout.length);
  const firstMoment = allocate(layout.length);
  const secondMoment = allocate(layout.length);
  const scalars = allocate(ppoScalars.length);
  const metrics = allocate(ppoMetrics.length * 4);
  const buffers = (columns: number): NetworkBuffers => {
    const tower = (layers: readonly DenseLayer[]): TowerBuffers => ({
      outputs: layers.map((layer) => allocate(layer.outputs * columns)),
      gradients: layers.map((layer) => allocate(layer.outputs * columns)),
    });
    return {
      columns,
      observations: allocate(observationSize * columns),
      trunk: tower(towers.trunk),
      actor: tower(towers.actor),
      critic: tower(towers.critic),
    };
  };
  const blockColumns = (samples: number): number => Math.min(BLOCK_COLUMNS, Math.ceil(samples / 4) * 4);
  const rollout = buffers(blockColumns(envs));
  const training = buffers(blockColumns(minibatchSize));
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
  const pages = Math.ceil(end / 65_536);
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

function forward(
  body: FunctionBody,
  towers: ActorCriticTowers,
  parameters: number,
  buffers: NetworkBuffers,
  wanted: "both" | "critic",
): void {
  const tower = (
    layers: readonly DenseLayer[],
    activated: number,
    input: number,
    { outputs }: TowerBuffers,
  ): number => {
    let from = input;
    layers.forEach((layer, l) => {
      const to = outputs[l]!;
      matrixProduct(body, {
        rows: layer.outputs,
        terms: layer.inputs,
        columns: buffers.columns,
        matrix: parameters + layer.weight * 4,
        rowStride: layer.inputs,
        termStride: 1,
        from,
        to,
        start: { bias: parameters + layer.bias * 4 },
        finish: l < activated ? "tanh" : "none",
      });
      from = to;
    });
    return from;
  };
  const { trunk, actor, critic } = towers;
  const features = tower(trunk, trunk.length, buffers.observations, buffers.trunk);
  if (wanted === "both") tower(actor, actor.length - 1, features, buffers.actor);
  tower(critic, critic.length - 1, features, buffers.critic);
}

function backward(
  body: FunctionBody,
  towers: ActorCriticTowers,
  parameters: number,
  gradient: number,
  buffers: NetworkBuffers,
): void {
  const { columns } = buffers;
  const features = buffers.trunk.outputs.at(-1);
  const featureGradient = buffers.trunk.gradients.at(-1);
  const tower = (
    layers: readonly DenseLayer[],
    { outputs, gradients }: TowerBuffers,
    input: number,
    intoFeatures: "zero" | "accumulate" | null,
  ): void => {
    for (let l = layers.length - 1; l >= 0; l--) {
      const layer = layers[l]!;
      weightGradient(body, {
        inputs: layer.inputs,
        outputs: layer.outputs,
        columns,
        input: l > 0 ? outputs[l - 1]! : input,
        outputGradient: gradients[l]!,
        weightGradient: gradient + layer.weight * 4,
        biasGradient: gradient + layer.bias * 4,
      });
      const transposed = {
        rows: layer.inputs,
        terms: layer.outputs,
        columns,
        matrix: parameters + layer.weight * 4,
        rowStride: 1,
        termStride: layer.inputs,
        from: gradients[l]!,
      };
      if (l > 0) {
        const tanhOutput = outputs[l - 1]!;
        matrixProduct(body, { ...transposed, to: gradients[l - 1]!, start: "zero", finish: { tanhOutput } });
      } else if (intoFeatures !== null && features !== undefined && featureGradient !== undefined) {
        // The critic comes second: only then is the features' gradient whole and can pass the trunk's tanh.
        const finish = intoFeatures === "accumulate" ? ({ tanhOutput: features } as const) : "none";
        matrixProduct(body, { ...transposed, to: featureGradient, start: intoFeatures, finish });
      }
    }
  };
  const input = features ?? buffers.observations;
  tower(towers.actor, buffers.actor, input, "zero");
  tower(towers.critic, buffers.critic, input, "accumulate");
  tower(towers.trunk, buffers.trunk, buffers.observations, null);
}
