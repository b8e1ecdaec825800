import { FulguriteError } from "../gpu/error.ts";
import type { LanguageAlgorithm } from "../rl/grpo.ts";
import { measure } from "../runner/measure.ts";
import { checkPolicy, checkWarmStart } from "./character-policy.ts";
import type { AgenticJob } from "./job.ts";

/** Most bytes of all tasks, and of what one closure captured. */
const MAX_TASK_BYTES = 64_000_000;
const MAX_VALUE_BYTES = 16_000_000;
const MAX_CODE_CHARACTERS = 1_000_000;
const MAX_TASKS = 200_000;
const MAX_ROLLOUTS_PER_UPDATE = 16_384;

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/** Throws "train/invalid" where a job cannot be trained, whoever made it. Costs milliseconds for 10,000 tasks. */
export function checkAgenticJob(job: AgenticJob): void {
  const { agent, reward, algorithm, seed, engine, timeout, warmStart } = job;
  checkTasks(job.tasks);
  checkPolicy(job.policy);
  if (warmStart) checkWarmStart(warmStart, job.policy);
  checkAlgorithm(algorithm);
  if (algorithm.maxTokens >= job.policy.maxLength) {
    throw invalid(
      `Answers of ${algorithm.maxTokens} tokens leave no room for a prompt in the policy's ${job.policy.maxLength}.`,
      "Raise the policy's maxLength, or lower the algorithm's maxTokens.",
    );
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw invalid(
      `The seed ${String(seed)} is not an unsigned 32-bit integer.`,
      "Pass a whole number from 0 to 4294967295.",
    );
  }
  if (!["auto", "webgpu", "cpu"].includes(engine)) {
    throw invalid(`There is no engine "${String(engine)}".`, 'Use "auto", "webgpu" or "cpu".');
  }
  if (!Number.isFinite(timeout) || timeout < 10 || timeout > 3_600_000) {
    throw invalid(
      `The timeout is ${String(timeout)}, not milliseconds from 10 to 3,600,000.`,
      "Pass timeout: 10_000.",
    );
  }
  if (typeof job.deterministic !== "boolean") {
    throw invalid("`deterministic` is neither true nor false.", "Leave it out for false.");
  }
  if (typeof job.name !== "string" || job.name === "" || job.name.length > 200) {
    throw invalid(
      "The run's name is not a text of 1 to 200 characters.",
      "Leave it out for the agent's name.",
    );
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
  const whole = ["groups", "groupSize", "updates", "maxTokens", "evaluateEvery", "evaluationTasks"] as const;
  const bad = whole.find((name) => !Number.isInteger(algorithm[name]) || algorithm[name] < 1);
  if (bad) throw invalid(`${bad} is not a whole number above 0.`, "Make the algorithm with `grpo()`.");
  if (algorithm.groups * algorithm.groupSize > MAX_ROLLOUTS_PER_UPDATE) {
    throw invalid(
      `An update of ${algorithm.groups} x ${algorithm.groupSize} rollouts is too large.`,
      `${MAX_ROLLOUTS_PER_UPDATE} is the most; take fewer groups and more updates.`,
    );
  }
}

function checkTasks({ train, heldOut }: AgenticJob["tasks"]): void {
  for (const [name, list] of Object.entries({ train, heldOut })) {
    if (Array.isArray(list) && list.length > 0 && list.length <= MAX_TASKS) continue;
    throw invalid(
      `\`tasks.${name}\` is not a list of 1 to ${MAX_TASKS.toLocaleString("en")} tasks.`,
      "Pass tasks: { train: [...], heldOut: [...] }.",
    );
  }
  if (measure([train, heldOut], MAX_TASK_BYTES) > MAX_TASK_BYTES) {
    throw invalid(
      "The tasks take more than 64 MB.",
      "Keep a task small: what it needs can be made in the agent.",
    );
  }
  const seen = new Set(train.map(taskKey));
  const both = heldOut.find((task) => {
    const key = taskKey(task);
    return key !== null && seen.has(key);
  });
  if (both !== undefined) {
    throw invalid(
      `The held-out task ${taskKey(both)!.slice(0, 80)} is also trained on.`,
      "Take it out of one of the lists: what was trained on proves nothing.",
    );
  }
}

/** JSON of a task that is nothing but JSON; null of any other, which is not compared. */
function taskKey(task: unknown): string | null {
  let plain = true;
  try {
    const text = JSON.stringify(task, (_key, value: unknown) => {
      if (typeof value === "object" && value !== null && !Array.isArray(value)) {
        const prototype = Object.getPrototypeOf(value) as unknown;
        plain &&= prototype === Object.prototype || prototype === null;
      } else plain &&= value !== undefined;
      return value;
    }) as string | undefined;
    return plain ? (text ?? null) : null;
  } catch {
    return null;
  }
}
