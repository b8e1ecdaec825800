import { FulguriteError } from "../gpu/error.ts";
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

/** Throws "lm/unknown-word" where an answer has a word that only prompts may have: the policy can neither say nor learn it. */
export function checkAnswer(answer: string, { words }: Pick<PolicyConfig, "words">): void {
  if (!words) return;
  const prompts = new Set(words.words.slice(words.answers));
  const wrong = answer.split(/\s+/).find((word) => prompts.has(word));
  if (wrong === undefined) return;
  throw new FulguriteError(
    "lm/unknown-word",
    `${JSON.stringify(wrong)} is among the policy's words for prompts, and the answer ${JSON.stringify(answer.slice(0, 80))} has it.`,
    "Name it among the policy's `answers`, or leave it out of the answer.",
  );
}
