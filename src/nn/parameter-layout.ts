import { policyHead, type HasActions } from "../kernels/action-space.ts";

/** One tensor inside the flat parameter arena. */
export interface ParameterTensor {
  /** For example "actor.0.weight"; weights are [out, in], y = W x + b. */
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the arena. */
  readonly offset: number;
  readonly length: number;
  /** Gain of the orthogonal initialisation; null for biases, which start at zero. */
  readonly gain: number | null;
}

export interface ParameterLayout {
  readonly tensors: readonly ParameterTensor[];
  /** Elements in all; every tensor starts at a multiple of 4 (16 bytes), gaps stay zero. */
  readonly length: number;
}

export interface ActorCriticShape extends HasActions {
  readonly observationSize: number;
  readonly hidden: readonly number[];
  readonly separateTowers: boolean;
  /** Values the critic estimates: of the reward, and of a cost where there are 2. Default 1. */
  readonly values?: 1 | 2;
}

/**
 * Lays out an MLP actor-critic. Separate towers: `actor.{i}.weight|bias`, then `critic.{i}...`, the last of
 * each being its head. Shared trunk: `trunk.{i}...`, then `actor.head...` and `critic.head...`.
 * A Gaussian policy has `actor.logStd` besides, the logarithm of its deviation, 0 at first.
 * Gains: sqrt 2 hidden, 0.01 policy head, 1 value head ("37 implementation details of PPO", detail 2).
 */
export function actorCriticLayout(shape: ActorCriticShape): ParameterLayout {
  const head = policyHead(shape);
  const values = shape.values ?? 1;
  const tensors: ParameterTensor[] = [];
  let offset = 0;
  const add = (name: string, dims: readonly number[], gain: number | null): void => {
    const length = dims.reduce((product, dim) => product * dim, 1);
    tensors.push({ name, shape: dims, offset, length, gain });
    offset += Math.ceil(length / 4) * 4;
  };
  const linear = (name: string, inputs: number, outputs: number, gain: number): void => {
    add(`${name}.weight`, [outputs, inputs], gain);
    add(`${name}.bias`, [outputs], null);
  };
  const tower = (name: string, outputs: number | null, headGain: number): void => {
    let inputs = shape.observationSize;
    shape.hidden.forEach((width, i) => {
      linear(`${name}.${i}`, inputs, width, Math.SQRT2);
      inputs = width;
    });
    if (outputs !== null) linear(`${name}.${shape.hidden.length}`, inputs, outputs, headGain);
  };
  if (shape.separateTowers) {
    tower("actor", head.outputs, 0.01);
    tower("critic", values, 1);
  } else {
    tower("trunk", null, 1);
    const inputs = shape.hidden.at(-1) ?? shape.observationSize;
    linear("actor.head", inputs, head.outputs, 0.01);
    linear("critic.head", inputs, values, 1);
  }
  if (head.kind === "gaussian") add("actor.logStd", [head.outputs], null);
  return { tensors, length: offset };
}
