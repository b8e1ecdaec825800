import { byteTokenizer } from "../lm/byte-tokenizer.ts";
import { characterTokenizer, type Tokenizer } from "../lm/tokenizer.ts";
import { wordTokenizer } from "../lm/word-tokenizer.ts";
import type { PolicyConfig } from "./job.ts";

/**
 * Text to tokens as a policy reads it; null for the tokenizer of a model, which takes loading. Throws what the tokenizers
 * throw where there can be none such.
 */
export function plainTokenizer({ alphabet, words, model }: PolicyConfig): Tokenizer | null {
  if (model) return model.tokenizer ? null : byteTokenizer();
  return words ? wordTokenizer(words) : characterTokenizer(alphabet);
}
