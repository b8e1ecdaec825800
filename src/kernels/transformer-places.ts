import type { TensorPlace } from "./towers.ts";

/** Sizes of a Llama-style decoder; `nn/transformer-layout` explains them. */
export interface TransformerDimensions {
  readonly vocabularySize: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly feedForward: number;
  readonly maxLength: number;
  readonly ropeBase: number;
  readonly normEpsilon: number;
  readonly tiedHead: boolean;
}

/** First element of each of a layer's tensors in the arena; weights are [out, in] row-major. */
export interface TransformerLayerPlaces {
  readonly n1: number;
  readonly wq: number;
  readonly wk: number;
  readonly wv: number;
  readonly wo: number;
  readonly n2: number;
  readonly w1: number;
  readonly w3: number;
  readonly w2: number;
}

/** First elements of all tensors; `head` is `emb` where the head is tied. */
export interface TransformerPlaces {
  readonly emb: number;
  readonly layers: readonly TransformerLayerPlaces[];
  readonly nf: number;
  readonly head: number;
}

/** Reads the offsets off the tensor names (`emb`, `l0.wq`, `nf`, `head`). Throws where one is missing. */
export function transformerPlaces(
  layout: { readonly tensors: readonly TensorPlace[] },
  dimensions: TransformerDimensions,
): TransformerPlaces {
  const offsets = new Map(layout.tensors.map((tensor) => [tensor.name, tensor.offset]));
  const place = (name: string): number => {
    const offset = offsets.get(name);
    if (offset === undefined) throw new Error(`the layout has no tensor "${name}"`);
    return offset;
  };
  const layers = Array.from({ length: dimensions.layers }, (_, i) => ({
    n1: place(`l${i}.n1`),
    wq: place(`l${i}.wq`),
    wk: place(`l${i}.wk`),
    wv: place(`l${i}.wv`),
    wo: place(`l${i}.wo`),
    n2: place(`l${i}.n2`),
    w1: place(`l${i}.w1`),
    w3: place(`l${i}.w3`),
    w2: place(`l${i}.w2`),
  }));
  const emb = place("emb");
  return { emb, layers, nf: place("nf"), head: dimensions.tiedHead ? emb : place("head") };
}
