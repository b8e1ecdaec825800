import source from "../../shaders/transformer/sample.wgsl?raw";
import { paddedOutputs } from "./linear.ts";
import { namedKernel, type NamedKernel } from "./named-kernel.ts";

/** 32-bit words of a mask of ids. */
export const maskWords = (vocabularySize: number): number => Math.ceil(vocabularySize / 32);

/** Samples the next token of every sequence and embeds it. Thread per sequence. */
export function sampleTokenKernel(options: {
  readonly vocabularySize: number;
  readonly width: number;
  readonly embedding: number;
}): NamedKernel {
  return namedKernel(
    "transformer/sample",
    source,
    {
      logits: "read",
      tokens: "write",
      requests: "read",
      allowed: "read",
      biases: "read",
      samples: "write",
      parameters: "read",
      output: "write",
    },
    {
      VOCABULARY: options.vocabularySize,
      LOGITS_WIDTH: paddedOutputs(options.vocabularySize),
      MASK_WORDS: maskWords(options.vocabularySize),
      WIDTH: options.width / 4,
      EMBEDDING: options.embedding / 4,
    },
  );
}
