import { FulguriteError } from "../gpu/error.ts";
import { checkLanguageAlgorithm, type LanguageAlgorithm } from "../rl/grpo.ts";
import { measure } from "../runner/measure.ts";
import { checkPolicy, checkWarmStart } from "./character-policy.ts";
import { checkRun } from "./check-run.ts";
import { checkSplit } from "./check-split.ts";
import type { AgenticJob } from "./job.ts";

/** Most bytes of what one closure captured. */
const MAX_VALUE_BYTES = 16_000_000;
const MAX_CODE_CHARACTERS = 1_000_000;
const MAX_ROLLOUTS_PER_UPDATE = 16_384;

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/** Throws "train/invalid" or "rl/invalid-config" where a job cannot be trained, whoever made it. Costs milliseconds for 10,000 tasks. */
export function checkAgenticJob(job: AgenticJob): void {
  const { agent, reward, algorithm, timeout, warmStart } = job;
  checkSplit("tasks", "task", job.tasks);
  checkPolicy(job.policy);
  if (warmStart) checkWarmStart(warmStart, job.policy);
  checkAlgorithm(algorithm);
  if (algorithm.maxTokens >= job.policy.maxLength) {
    throw invalid(
      `Answers of ${algorithm.maxTokens} tokens leave no room for a prompt in the policy's ${job.policy.maxLength}.`,
      "Raise the policy's maxLength, or lower the algorithm's maxTokens.",
    );
  }
  checkRun(job);
  if (!Number.isFinite(timeout) || timeout < 10 || timeout > 3_600_000) {
    throw invalid(
      `The timeout is ${String(timeout)}, not milliseconds from 10 to 3,600,000.`,
      "Pass timeout: 10_000.",
    );
  }
  if (typeof job.deterministic !== "boolean") {
    throw invalid("`deterministic` is neither true nor false.", "Leave it out for false.");
  }
  for (const [what, source] of Object.entries({ agent, reward })) {
    const characters = source.code.length + source.entry.length + (source.library?.length ?? 0);
    if (characters > MAX_CODE_CHARACTERS || measure(source.values, MAX_VALUE_BYTES) > MAX_VALUE_BYTES) {
      throw invalid(
        `The code of the ${what}, or the values that it uses, are too large to send to every worker.`,
        "Let it use less from outside: a million characters and 16 MB of values is the most.",
      );
    }
  }
}

function checkAlgorithm(algorithm: LanguageAlgorithm): void {
  const kind: unknown = (algorithm as { kind?: unknown } | null)?.kind;
  if (kind !== "grpo" && kind !== "filtered-cloning") {
    throw invalid("`algorithm` does not train agents.", "Pass `grpo()` or `filteredCloning()`.");
  }
  checkLanguageAlgorithm(algorithm);
  if (algorithm.groups * algorithm.groupSize > MAX_ROLLOUTS_PER_UPDATE) {
    throw invalid(
      `An update of ${algorithm.groups} x ${algorithm.groupSize} rollouts is too large.`,
      `${MAX_ROLLOUTS_PER_UPDATE} is the most; take fewer groups and more updates.`,
    );
  }
}
