import { bytePairTokenizer } from "../lm/byte-pair-tokenizer.ts";
import { byteTokenizer } from "../lm/byte-tokenizer.ts";
import { characterTokenizer, type Tokenizer } from "../lm/tokenizer.ts";
import { wordTokenizer } from "../lm/word-tokenizer.ts";
import type { PolicyConfig } from "./job.ts";

/**
 * Text to tokens as a policy reads it; null for the tokenizer of a model, which takes loading. Throws what the tokenizers
 * throw where there can be none such.
 */
export function plainTokenizer({ alphabet, words, pairs, model }: PolicyConfig): Tokenizer | null {
  if (model) return model.tokenizer ? null : byteTokenizer();
  if (pairs) return bytePairTokenizer(pairs);
  return words ? wordTokenizer(words) : characterTokenizer(alphabet);
}
