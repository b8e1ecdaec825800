import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import { checkDpo } from "../rl/dpo.ts";
import { checkSupervisedPlan } from "../rl/sft.ts";
import { checkPolicy, checkWarmStart } from "./character-policy.ts";
import { checkRun } from "./check-run.ts";
import { checkSplit } from "./check-split.ts";
import type { PreferenceExample } from "./examples.ts";
import type { PolicyConfig, SupervisedJob } from "./job.ts";
import { checkAnswer, plainTokenizer } from "./plain-tokenizer.ts";
import { messagesOf } from "./supervised-rows.ts";

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/** Throws "train/invalid" or "rl/invalid-config" where a job cannot be trained, whoever made it. */
export function checkSupervisedJob(job: SupervisedJob): void {
  const { algorithm, examples, policy, warmStart } = job;
  const kind: unknown = (algorithm as { kind?: unknown } | null)?.kind;
  if (kind !== "sft" && kind !== "dpo") {
    throw invalid("`algorithm` does not learn from examples.", "Pass `sft()` or `dpo()`.");
  }
  checkSplit("examples", "example", examples);
  checkPolicy(policy);
  if (warmStart) checkWarmStart(warmStart, policy);
  if (algorithm.kind === "dpo") checkDpo(algorithm);
  else checkSupervisedPlan(algorithm);
  checkRun(job);
  // A tokenizer that takes loading knows every text.
  const tokenizer = plainTokenizer(policy);
  const everything = algorithm.kind === "sft" && algorithm.learn === "everything";
  const answers = everything ? {} : policy;
  const check = algorithm.kind === "dpo" ? checkPair : checkExample;
  for (const [part, list] of Object.entries(examples)) {
    list.forEach((example, i) => {
      try {
        check(example, tokenizer, answers);
      } catch (error) {
        const { message, fix } = asFulguriteError(error);
        throw invalid(`examples.${part}[${i}]: ${message}`, fix);
      }
    });
  }
}

function checkExample(
  example: SupervisedJob["examples"]["train"][number],
  tokenizer: Tokenizer | null,
  answers: Pick<PolicyConfig, "words">,
): void {
  for (const { role, content, weight = 1 } of messagesOf(example)) {
    tokenizer?.encode(content);
    if (role === "assistant" && weight !== 0) checkAnswer(content, answers);
  }
}

function checkPair(
  example: SupervisedJob["examples"]["train"][number],
  tokenizer: Tokenizer | null,
  answers: Pick<PolicyConfig, "words">,
): void {
  const { prompt, chosen, rejected } = example as Partial<PreferenceExample>;
  for (const text of [prompt, chosen, rejected]) {
    if (typeof text !== "string") {
      throw invalid(
        "It is not { prompt, chosen, rejected } of texts.",
        "Write a prompt and two answers, the better one as `chosen`.",
      );
    }
    tokenizer?.encode(text);
  }
  for (const answer of [chosen, rejected]) checkAnswer(answer!, answers);
}
