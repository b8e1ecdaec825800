import { huggingFaceTokenizer } from "../lm/hugging-face-tokenizer.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { PolicyConfig } from "./job.ts";
import { plainTokenizer } from "./plain-tokenizer.ts";

/**
 * Text to tokens as any policy reads it. Rejects with "lm/bad-tokenizer" too. Whoever needs no model's tokenizer takes
 * `plainTokenizer`: in a bundle of one script, this comes with 190 kB of libraries.
 */
export const policyTokenizer = async (policy: PolicyConfig): Promise<Tokenizer> =>
  plainTokenizer(policy) ?? huggingFaceTokenizer(policy.model!.tokenizer!);
