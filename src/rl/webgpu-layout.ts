import { actorCriticTowers, type DenseLayer } from "../kernels/towers.ts";
import { actorCriticLayout, type ActorCriticShape } from "../nn/parameter-layout.ts";

/** A hidden layer in the blocked arena; offsets in floats, of the first tower. */
export interface BlockedLayer {
  /** Blocks of four features. */
  readonly inputs: number;
  readonly outputs: number;
  readonly weight: number;
  readonly bias: number;
  /** Floats from one tower's tensors to the next one's. */
  readonly stride: number;
}

const blocks = (n: number): number => Math.ceil(n / 4);
/** Hidden widths are padded to 16 so that every tile size divides them. */
const hiddenBlocks = (n: number): number => Math.ceil(n / 16) * 4;
const align = (n: number): number => Math.ceil(n / 16) * 16;

/**
 * How the kernels hold an actor-critic: 4 x 4 weight blocks (shaders/common/network.wgsl), all towers of a layer
 * side by side, the first layer and the heads in front ("small": their gradients come in other partial sums).
 * Padding is zero and stays zero. `pack` and `unpack` convert from and to the order of `ParameterLayout`.
 */
export class BlockedLayout {
  readonly towers: number;
  readonly observationBlocks: number;
  readonly layers: readonly BlockedLayer[];
  /** Blocks of the actor's head; the critic's begins behind them where towers are separate. */
  readonly actorBlocks: number;
  /** Blocks of both heads. */
  readonly headBlocks: number;
  /** The value's row among the heads' outputs; a cost's value is in the next. */
  readonly valueRow: number;
  readonly headWeight: number;
  readonly headBias: number;
  /** Floats of the first layer and the heads, and of all other layers. */
  readonly smallLength: number;
  readonly largeLength: number;
  /** Elements in `ParameterLayout`'s order. */
  readonly plainLength: number;
  /** Where element i of the plain order lives; gaps stay unmapped. */
  readonly #places: readonly (readonly [number, number])[];

  constructor(shape: ActorCriticShape) {
    const plain = actorCriticLayout(shape);
    const { trunk, actor, critic } = actorCriticTowers(plain);
    const hidden = shape.separateTowers ? [actor.slice(0, -1), critic.slice(0, -1)] : [trunk];
    this.plainLength = plain.length;
    this.towers = hidden.length;
    this.observationBlocks = blocks(shape.observationSize);
    // A Gaussian's logarithm of the deviation is the bias of a row behind the mean's, without weights.
    const logStd = plain.tensors.find((tensor) => tensor.name === "actor.logStd");
    const actorRows = actor.at(-1)!.outputs + (logStd?.length ?? 0);
    const values = critic.at(-1)!.outputs;
    this.actorBlocks = blocks(actorRows);
    // On one trunk the values fill up the actor's last block.
    this.headBlocks = shape.separateTowers ? this.actorBlocks + 1 : blocks(actorRows + values);
    this.valueRow = shape.separateTowers ? this.actorBlocks * 4 : actorRows;

    let offset = 0;
    const addLayer = (index: number): BlockedLayer => {
      const inputs = index === 0 ? this.observationBlocks : hiddenBlocks(shape.hidden[index - 1]!);
      const outputs = hiddenBlocks(shape.hidden[index]!);
      const weight = offset;
      const bias = weight + inputs * outputs * 16;
      const stride = align(bias + outputs * 4 - weight);
      offset += stride * this.towers;
      return { inputs, outputs, weight, bias, stride };
    };
    const first = addLayer(0);
    const width = hiddenBlocks(shape.hidden.at(-1)!);
    this.headWeight = offset;
    this.headBias = offset + this.headBlocks * width * 16;
    offset = align(this.headBias + this.headBlocks * 4);
    this.smallLength = offset;
    this.layers = [first, ...shape.hidden.slice(1).map((_, i) => addLayer(i + 1))];
    this.largeLength = offset - this.smallLength;

    const places: [number, number][] = [];
    const map = (layer: DenseLayer, weight: number, bias: number, inputs: number, firstRow: number): void => {
      for (let o = 0; o < layer.outputs; o++) {
        const row = firstRow + o;
        const block = row >> 2;
        for (let k = 0; k < layer.inputs; k++) {
          const to = weight + (block * inputs + (k >> 2)) * 16 + (row & 3) * 4 + (k & 3);
          places.push([layer.weight + o * layer.inputs + k, to]);
        }
        places.push([layer.bias + o, bias + row]);
      }
    };
    hidden.forEach((tower, t) => {
      tower.forEach((layer, l) => {
        const { weight, bias, inputs, stride } = this.layers[l]!;
        map(layer, weight + t * stride, bias + t * stride, inputs, 0);
      });
    });
    map(actor.at(-1)!, this.headWeight, this.headBias, width, 0);
    map(critic.at(-1)!, this.headWeight, this.headBias, width, this.valueRow);
    if (logStd) {
      for (let d = 0; d < logStd.length; d++) {
        places.push([logStd.offset + d, this.headBias + actor.at(-1)!.outputs + d]);
      }
    }
    this.#places = places;
  }

  /** Floats of the blocked arena. */
  get length(): number {
    return this.smallLength + this.largeLength;
  }

  pack(plain: Float32Array): Float32Array<ArrayBuffer> {
    const blocked = new Float32Array(this.length);
    for (const [from, to] of this.#places) blocked[to] = plain[from]!;
    return blocked;
  }

  unpack(blocked: Float32Array): Float32Array<ArrayBuffer> {
    const plain = new Float32Array(this.plainLength);
    for (const [to, from] of this.#places) plain[to] = blocked[from]!;
    return plain;
  }
}
