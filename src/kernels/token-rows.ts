import embed from "../../shaders/transformer/embed.wgsl?raw";
import loss from "../../shaders/loss/token_loss.wgsl?raw";
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

/** Token loss and d loss / d logits in place, or with `train: false` log-probability and entropy. Thread per prediction. */
export function tokenLossKernel(vocabularySize: number, train: boolean): NamedKernel {
  return namedKernel(
    "loss/token_loss",
    loss,
    {
      predictions: "read",
      allowed: "read",
      logits: train ? "write" : "read",
      terms: train && "write",
      projections: train && "write",
      scores: !train && "write",
    },
    { VOCABULARY: vocabularySize, LOGITS_WIDTH: paddedOutputs(vocabularySize), TRAIN: train },
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
