import { random4, stream, uniform } from "../../src/kernels/philox.ts";
import { initializeParameters } from "../../src/nn/initialize.ts";
import { actorCriticLayout } from "../../src/nn/parameter-layout.ts";

/** Gradient step of PPO on one minibatch, the same for everybody: clipped loss, value, entropy, norm clip, Adam. */
export interface MinibatchWork {
  readonly size: number;
  readonly observationSize: number;
  readonly actionCount: number;
  readonly hidden: readonly number[];
  readonly clip: number;
  readonly entropyCoefficient: number;
  readonly valueCoefficient: number;
  readonly maxGradientNorm: number;
  readonly learningRate: number;
  readonly epsilon: number;
  /** [size x observationSize] */
  readonly observations: Float32Array<ArrayBuffer>;
  readonly actions: Int32Array<ArrayBuffer>;
  readonly oldLogProbabilities: Float32Array<ArrayBuffer>;
  /** Normalised. */
  readonly advantages: Float32Array<ArrayBuffer>;
  readonly returns: Float32Array<ArrayBuffer>;
  /** Start weights [out x in] and biases: trunk.0, trunk.1, actor.head, critic.head. */
  readonly tensors: readonly {
    readonly shape: readonly number[];
    readonly data: Float32Array<ArrayBuffer>;
  }[];
  /** The same as one arena in the order of `actorCriticLayout`. */
  readonly parameters: Float32Array<ArrayBuffer>;
}

/** B 2048, 4-64-64-(2+1), random data. */
export function minibatchWork(): MinibatchWork {
  const shape = { size: 2048, observationSize: 4, actionCount: 2, hidden: [64, 64], separateTowers: false };
  const { size, observationSize, actionCount } = shape;
  const words = new Uint32Array(4);
  const random = (count: number, column: number): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: count }, (_, i) => {
      random4(1, stream.check, column, i, words);
      return 2 * uniform(words[0]!) - 1;
    });
  const layout = actorCriticLayout(shape);
  const parameters = initializeParameters(layout, 1) as Float32Array<ArrayBuffer>;
  return {
    ...shape,
    clip: 0.2,
    entropyCoefficient: 0.01,
    valueCoefficient: 0.5,
    maxGradientNorm: 0.5,
    learningRate: 2.5e-4,
    epsilon: 1e-5,
    observations: random(size * observationSize, 1),
    actions: Int32Array.from(random(size, 2), (x) => Math.floor(((x + 1) / 2) * actionCount)),
    oldLogProbabilities: random(size, 3).map((x) => Math.log(0.5) + 0.1 * x),
    advantages: random(size, 4).map((x) => 1.73 * x),
    returns: random(size, 5),
    tensors: layout.tensors.map(({ shape: dims, offset, length }) => ({
      shape: dims,
      data: parameters.slice(offset, offset + length),
    })),
    parameters,
  };
}

/** One contestant: `step` resolves when the device is done; the first one's loss is kept to compare the work. */
export interface Contestant {
  step(): Promise<void>;
  /** Surrogate + coefficient x value loss (half squared error) - coefficient x entropy, before the first step. */
  readonly firstLoss: number;
  /** ms of making it and of the first step, compilation included. */
  readonly firstStep: number;
  dispose(): void;
}

/** Throws where a contestant's loss says that it does other work. */
export function checkSameWork(name: string, loss: number, ours: number, tolerance = 1e-3): void {
  if (Math.abs(loss - ours) <= tolerance * Math.max(1, Math.abs(ours))) return;
  throw new Error(`${name} has a first loss of ${loss}, ours is ${ours}: it is not the same work`);
}
