import { random4, stream } from "../kernels/philox.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";

/**
 * The tokenizer with a soft prompt in front of every conversation: `tokens` ids from `first` on, which are those behind the
 * vocabulary. They are never decoded.
 */
export function withSoftPrompt(tokenizer: Tokenizer, first: number, tokens: number): Tokenizer {
  const softPrompt = Int32Array.from({ length: tokens }, (_, i) => first + i);
  return {
    ...tokenizer,
    softPrompt,
    decode: (ids) => tokenizer.decode(Array.from(ids).filter((id) => id < first)),
    renderChat: (messages) => Int32Array.from([...softPrompt, ...tokenizer.renderChat(messages)]),
  };
}

/** Gives the soft prompt, in place, the embeddings of tokens that the seed draws: Lester et al.'s "sampled vocabulary". */
export function initializeSoftPrompt(shape: TransformerShape, parameters: Float32Array, seed: number): void {
  const { tensors } = transformerLayout(shape);
  const place = (name: string): number => tensors.find((tensor) => tensor.name === name)!.offset;
  const { vocabularySize, width, adapter } = shape;
  const words = new Uint32Array(4);
  for (let i = 0; i < (adapter?.promptTokens ?? 0); i++) {
    random4(seed, stream.softPrompt, 0, i, words);
    const from = place("emb") + (words[0]! % vocabularySize) * width;
    parameters.copyWithin(place("prompt") + i * width, from, from + width);
  }
}
