import { actorCriticTowers, type ActorCriticTowers, type DenseLayer, type TensorPlace } from "../towers.ts";

/** What one sample's forward pass leaves behind for the backward pass. */
export interface ActorCriticTape {
  readonly logits: Float64Array;
  readonly value: number;
  /** All the critic's outputs, `value` first. */
  readonly values: Float64Array;
  /** Per tower the input of every layer, then the tower's output. */
  readonly trunk: readonly Float64Array[];
  readonly actor: readonly Float64Array[];
  readonly critic: readonly Float64Array[];
}

/** An MLP actor-critic on a flat parameter arena, one sample at a time, in f64. */
export class ReferenceActorCritic {
  readonly towers: ActorCriticTowers;
  /** Elements of the arena. */
  readonly length: number;
  /** Where the logarithms of a Gaussian policy's deviations begin, else null. */
  readonly logStd: number | null;

  constructor(layout: { readonly tensors: readonly TensorPlace[]; readonly length: number }) {
    this.towers = actorCriticTowers(layout);
    this.length = layout.length;
    this.logStd = layout.tensors.find((tensor) => tensor.name === "actor.logStd")?.offset ?? null;
  }

  forward(parameters: ArrayLike<number>, observation: ArrayLike<number>): ActorCriticTape {
    const { trunk, actor, critic } = this.towers;
    const trunkTape = towerForward(trunk, trunk.length, parameters, Float64Array.from(observation));
    const features = trunkTape.at(-1)!;
    const actorTape = towerForward(actor, actor.length - 1, parameters, features);
    const criticTape = towerForward(critic, critic.length - 1, parameters, features);
    return {
      logits: actorTape.at(-1)!,
      value: criticTape.at(-1)![0]!,
      values: criticTape.at(-1)!,
      trunk: trunkTape,
      actor: actorTape,
      critic: criticTape,
    };
  }

  /** Adds d loss / d parameters to `gradient`, given d loss / d logits and d loss / d values of one sample. */
  backward(
    parameters: ArrayLike<number>,
    tape: ActorCriticTape,
    logitsGradient: ArrayLike<number>,
    valuesGradient: ArrayLike<number>,
    gradient: Float64Array,
  ): void {
    const { trunk, actor, critic } = this.towers;
    const fromActor = towerBackward(
      actor,
      actor.length - 1,
      parameters,
      tape.actor,
      Float64Array.from(logitsGradient),
      gradient,
    );
    const fromCritic = towerBackward(
      critic,
      critic.length - 1,
      parameters,
      tape.critic,
      Float64Array.from(valuesGradient),
      gradient,
    );
    const features = fromActor.map((g, i) => g + fromCritic[i]!);
    towerBackward(trunk, trunk.length, parameters, tape.trunk, features, gradient);
  }
}

/** The first `activated` layers are followed by tanh. */
function towerForward(
  layers: readonly DenseLayer[],
  activated: number,
  parameters: ArrayLike<number>,
  input: Float64Array,
): Float64Array[] {
  const tape = [input];
  layers.forEach((layer, l) => {
    const x = tape[l]!;
    const y = new Float64Array(layer.outputs);
    for (let o = 0; o < layer.outputs; o++) {
      let sum = parameters[layer.bias + o]!;
      for (let i = 0; i < layer.inputs; i++) sum += parameters[layer.weight + o * layer.inputs + i]! * x[i]!;
      y[o] = l < activated ? Math.tanh(sum) : sum;
    }
    tape.push(y);
  });
  return tape;
}

/** Returns the gradient of the tower's input. */
function towerBackward(
  layers: readonly DenseLayer[],
  activated: number,
  parameters: ArrayLike<number>,
  tape: readonly Float64Array[],
  outputGradient: Float64Array,
  gradient: Float64Array,
): Float64Array {
  let dy = outputGradient;
  for (let l = layers.length - 1; l >= 0; l--) {
    const layer = layers[l]!;
    const x = tape[l]!;
    const y = tape[l + 1]!;
    const dx = new Float64Array(layer.inputs);
    for (let o = 0; o < layer.outputs; o++) {
      const d = l < activated ? dy[o]! * (1 - y[o]! * y[o]!) : dy[o]!;
      gradient[layer.bias + o]! += d;
      for (let i = 0; i < layer.inputs; i++) {
        const w = layer.weight + o * layer.inputs + i;
        gradient[w]! += d * x[i]!;
        dx[i]! += d * parameters[w]!;
      }
    }
    dy = dx;
  }
  return dy;
}
