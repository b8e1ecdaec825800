import embed from "../../shaders/transformer/embed.wgsl?raw";
import loss from "../../shaders/loss/token_loss.wgsl?raw";
import softmax from "../../shaders/loss/token_softmax.wgsl?raw";
import predictionGradient from "../../shaders/transformer/prediction_gradient.wgsl?raw";
import { paddedOutputs } from "./linear.ts";
import type { TransformerDimensions } from "./transformer-places.ts";
import { namedKernel, type NamedKernel } from "./named-kernel.ts";

/**
 * Residual stream of the tokens; `prompt` is where the soft prompt is among what learns, or null. Thread per four
 * features.
 */
export function embedKernel(
  { width, vocabularySize }: Pick<TransformerDimensions, "width" | "vocabularySize">,
  embedding: number,
  prompt: number | null,
): NamedKernel {
  return namedKernel(
    "transformer/embed",
    embed,
    { parameters: "read", tokens: "read", output: "write", adapters: prompt !== null && "read" },
    {
      ...{ WIDTH: width / 4, EMBEDDING: embedding / 4, VOCABULARY: vocabularySize },
      ...{ PROMPT: prompt !== null, PROMPT_AT: (prompt ?? 0) / 4 },
    },
  );
}

/** The head's ids: how many, how many at once, and how far apart rows of their logits lie. */
const chunkConstants = (vocabularySize: number, chunk: number): Record<string, number> => ({
  ...{ VOCABULARY: vocabularySize, CHUNK: chunk, LOGITS_WIDTH: paddedOutputs(chunk) },
});

/**
 * Running maximum and sums of the softmax over chunks of `chunk` ids; with `score` log-probability and entropy besides.
 * Thread per prediction.
 */
export function tokenSoftmaxKernel(vocabularySize: number, chunk: number, score: boolean): NamedKernel {
  return namedKernel(
    "loss/token_softmax",
    softmax,
    { predictions: "read", allowed: "read", logits: "read", softmax: "write", scores: score && "write" },
    { ...chunkConstants(vocabularySize, chunk), SCORE: score },
  );
}

/** Token loss and d loss / d logits of a chunk in place, after the softmax of all. Thread per prediction. */
export function tokenLossKernel(vocabularySize: number, chunk: number): NamedKernel {
  return namedKernel(
    "loss/token_loss",
    loss,
    {
      ...{ predictions: "read", allowed: "read", softmax: "read" },
      ...{ logits: "write", terms: "write", projections: "write" },
    },
    chunkConstants(vocabularySize, chunk),
  );
}

/** From predictions back to tokens. Thread per four features. */
export function predictionGradientKernel(width: number): NamedKernel {
  return namedKernel(
    "transformer/prediction_gradient",
    predictionGradient,
    { tokens: "read", gradient: "read", output: "write" },
    { WIDTH: width / 4 },
  );
}
