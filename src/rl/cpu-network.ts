import type { ActorCriticTowers, DenseLayer } from "../kernels/towers.ts";
import { matrixProduct, weightGradient } from "../kernels/wasm/dense.ts";
import type { FunctionBody } from "../kernels/wasm/function-body.ts";

/** Samples that go through the network together: activations of a 64-wide layer then fit the first-level cache. */
const BLOCK_COLUMNS = 64;

/** Columns of a block for that many samples: a multiple of 4. */
export function blockColumns(samples: number): number {
  return Math.min(BLOCK_COLUMNS, Math.ceil(samples / 4) * 4);
}

/** Hands out addresses of one WebAssembly memory. */
export class Arena {
  #end = 0;

  /** Address in bytes of `count` f32, at a multiple of 64. */
  allocate(count: number): number {
    const address = this.#end;
    this.#end += Math.ceil((count * 4) / 64) * 64;
    return address;
  }

  /** Pages of 64 KiB that hold all of it. */
  get pages(): number {
    return Math.max(1, Math.ceil(this.#end / 65_536));
  }
}

/** Addresses of what a tower's layers leave behind, one [outputs x columns] a layer. */
export interface TowerBuffers {
  readonly outputs: readonly number[];
  readonly gradients: readonly number[];
}

export interface NetworkBuffers {
  readonly columns: number;
  readonly observations: number;
  readonly trunk: TowerBuffers;
  readonly actor: TowerBuffers;
  readonly critic: TowerBuffers;
}

/** Room for the activations of `columns` samples, and for their gradients. */
export function networkBuffers(
  towers: ActorCriticTowers,
  columns: number,
  allocate: (count: number) => number,
): NetworkBuffers {
  const observationSize = (towers.trunk[0] ?? towers.actor[0]!).inputs;
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
}

/** Code of a forward pass over one block, `parameters` being the arena's address. */
export function forward(
  body: FunctionBody,
  towers: ActorCriticTowers,
  parameters: number,
  buffers: NetworkBuffers,
  wanted: "both" | "actor" | "critic",
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
  if (wanted !== "critic") tower(actor, actor.length - 1, features, buffers.actor);
  if (wanted !== "actor") tower(critic, critic.length - 1, features, buffers.critic);
}

/**
 * Code of a backward pass over one block: from the heads' gradients, which are there already, adds to the
 * parameters' gradient. One tower alone only where they have no trunk in common.
 */
export function backward(
  body: FunctionBody,
  towers: ActorCriticTowers,
  parameters: number,
  gradient: number,
  buffers: NetworkBuffers,
  wanted: "both" | "actor" | "critic",
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
  if (wanted !== "critic") tower(towers.actor, buffers.actor, input, "zero");
  if (wanted !== "actor") tower(towers.critic, buffers.critic, input, "accumulate");
  tower(towers.trunk, buffers.trunk, buffers.observations, null);
}
