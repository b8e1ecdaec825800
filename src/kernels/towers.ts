/** A tensor's place in the flat parameter arena; `nn/parameter-layout` makes them. */
export interface TensorPlace {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/** y = W x + b; `weight` and `bias` are offsets into the arena, W is [outputs, inputs] row-major. */
export interface DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly weight: number;
  readonly bias: number;
}

/**
 * An MLP actor-critic as lists of layers. Every layer of the trunk is followed by tanh, and so is every layer
 * of actor and critic but the last, the head. Separate towers have an empty trunk.
 */
export interface ActorCriticTowers {
  readonly trunk: readonly DenseLayer[];
  readonly actor: readonly DenseLayer[];
  readonly critic: readonly DenseLayer[];
}

/** Reads the towers off the tensor names (`actor.0.weight`, `trunk.1.bias`, `critic.head.weight`, ...). */
export function actorCriticTowers(layout: { readonly tensors: readonly TensorPlace[] }): ActorCriticTowers {
  const biases = new Map(layout.tensors.map((tensor) => [tensor.name, tensor.offset]));
  const tower = (name: string): DenseLayer[] =>
    layout.tensors
      .filter((tensor) => tensor.name.startsWith(`${name}.`) && tensor.name.endsWith(".weight"))
      .map((tensor) => ({
        outputs: tensor.shape[0]!,
        inputs: tensor.shape[1]!,
        weight: tensor.offset,
        bias: biases.get(tensor.name.replace(/weight$/, "bias"))!,
      }));
  return { trunk: tower("trunk"), actor: tower("actor"), critic: tower("critic") };
}
