import { huggingFaceTokenizer } from "../lm/hugging-face-tokenizer.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import { policyShape } from "./character-policy.ts";
import type { PolicyConfig } from "./job.ts";
import { plainTokenizer } from "./plain-tokenizer.ts";
import { withSoftPrompt } from "./soft-prompt.ts";

/**
 * Text to tokens as any policy reads it. Rejects with "lm/bad-tokenizer" too. Whoever needs no model's tokenizer takes
 * `plainTokenizer`: in a bundle of one script, this comes with 190 kB of libraries.
 */
export async function policyTokenizer(policy: PolicyConfig): Promise<Tokenizer> {
  const tokenizer = plainTokenizer(policy) ?? (await huggingFaceTokenizer(policy.model!.tokenizer!));
  const { softPrompt } = policy;
  return softPrompt
    ? withSoftPrompt(tokenizer, policyShape(policy).vocabularySize, softPrompt.tokens)
    : tokenizer;
}
