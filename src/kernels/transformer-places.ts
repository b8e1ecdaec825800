import type { TensorPlace } from "./towers.ts";

/** A layer's matrices: queries, keys, values, attention's output, and SwiGLU's gate, up and down. */
export const projections = ["q", "k", "v", "o", "gate", "up", "down"] as const;
export type Projection = (typeof projections)[number];

/**
 * A low-rank change to frozen weights (LoRA, Hu et al. 2021, arXiv 2106.09685): y = W x + alpha / rank B A x. Only A and B
 * learn, and with `promptTokens` the soft prompt.
 */
export interface LowRankAdapter {
  /** Rows of A and columns of B; a multiple of 4. */
  readonly rank: number;
  /** The change is scaled by alpha / rank. */
  readonly alpha: number;
  readonly projections: readonly Projection[];
  /**
   * Learned embeddings (prompt tuning, Lester et al. 2021, arXiv 2104.08691): ids from `vocabularySize` on, which may stand
   * anywhere in a prompt and are never sampled. Default 0.
   */
  readonly promptTokens?: number;
}

/**
 * A decoder as Llama, Qwen2 and Qwen3 have it: RMSNorm, RoPE (rotate-half), causal grouped-query attention, SwiGLU. It is
 * what we train and what we load.
 */
export interface TransformerDimensions {
  readonly vocabularySize: number;
  /** Width of the residual stream, d. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly keyValueHeads: number;
  /** Need not be `width / heads`. */
  readonly headSize: number;
  /** Hidden width of SwiGLU. */
  readonly feedForward: number;
  /** Most positions a sequence can have. */
  readonly maxLength: number;
  readonly ropeBase: number;
  readonly normEpsilon: number;
  /** True: the head is the embedding transposed. */
  readonly tiedHead: boolean;
  /** Queries, keys and values have a bias (Qwen2). Default false. */
  readonly attentionBias?: boolean;
  /** Every head's queries and keys are RMS-normalised before they turn (Qwen3). Default false. */
  readonly queryKeyNorm?: boolean;
  /** Freezes all but a low-rank change. Default: everything learns. */
  readonly adapter?: LowRankAdapter;
}

/** First elements of A [rank, inputs] and B [outputs, rank]. */
export interface LowRankPlace {
  readonly a: number;
  readonly b: number;
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
  /** Biases of queries, keys and values, one after another; null where there are none. */
  readonly bias: number | null;
  /** Scales of a head's norm. */
  readonly nq: number | null;
  readonly nk: number | null;
  readonly adapters: Partial<Readonly<Record<Projection, LowRankPlace>>>;
}

/** First elements of all tensors; `head` is `emb` where the head is tied. */
export interface TransformerPlaces {
  readonly emb: number;
  readonly layers: readonly TransformerLayerPlaces[];
  readonly nf: number;
  readonly head: number;
  /** Soft prompt, [promptTokens, d]. */
  readonly prompt: number | null;
}

/** Names of the projections' tensors within a layer. */
export const projectionTensors = {
  ...{ q: "wq", k: "wk", v: "wv", o: "wo" },
  ...{ gate: "w1", up: "w3", down: "w2" },
} as const satisfies Record<Projection, keyof TransformerLayerPlaces>;

/** Inputs and outputs of a projection. */
export function projectionSize(
  { width, heads, keyValueHeads, headSize, feedForward }: TransformerDimensions,
  projection: Projection,
): { readonly inputs: number; readonly outputs: number } {
  switch (projection) {
    case "q":
      return { inputs: width, outputs: heads * headSize };
    case "k":
    case "v":
      return { inputs: width, outputs: keyValueHeads * headSize };
    case "o":
      return { inputs: heads * headSize, outputs: width };
    case "gate":
    case "up":
      return { inputs: width, outputs: feedForward };
    case "down":
      return { inputs: feedForward, outputs: width };
  }
}

/** Ids that may stand in a sequence: the vocabulary's, then the soft prompt's. */
export const inputIds = ({ vocabularySize, adapter }: TransformerDimensions): number =>
  vocabularySize + (adapter?.promptTokens ?? 0);

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
  const { attentionBias = false, queryKeyNorm = false, adapter } = dimensions;
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
    bias: attentionBias ? place(`l${i}.bq`) : null,
    nq: queryKeyNorm ? place(`l${i}.nq`) : null,
    nk: queryKeyNorm ? place(`l${i}.nk`) : null,
    adapters: Object.fromEntries(
      (adapter?.projections ?? []).map((name) => {
        const weight = `l${i}.${projectionTensors[name]}`;
        return [name, { a: place(`${weight}.a`), b: place(`${weight}.b`) }];
      }),
    ),
  }));
  const emb = place("emb");
  const prompt = (adapter?.promptTokens ?? 0) > 0 ? place("prompt") : null;
  return { emb, layers, nf: place("nf"), head: dimensions.tiedHead ? emb : place("head"), prompt };
}
