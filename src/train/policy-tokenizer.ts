import { characterTokenizer, type Tokenizer } from "../lm/tokenizer.ts";
import { wordTokenizer } from "../lm/word-tokenizer.ts";
import type { PolicyConfig } from "./job.ts";

/** Text to tokens as a policy reads it. Throws what the tokenizers throw where there can be none such. */
export const policyTokenizer = ({ alphabet, words }: PolicyConfig): Tokenizer =>
  words ? wordTokenizer(words) : characterTokenizer(alphabet);
