import type { CompletionRequest } from "./complete.ts";
import type { Job, WarmStart } from "./job.ts";

/** What the command line says instead of the notebook. */
export interface JobOverrides {
  readonly seed?: number;
  readonly engine?: Job["engine"];
  /** Environment steps, rollouts or examples. */
  readonly steps?: number;
  /**
   * Two updates of two groups, a warm start of ten steps, answers of two tokens: to see that it runs to its end, not
   * what it learns.
   */
  readonly quick?: boolean;
}

const QUICK_UPDATES = 2;
const QUICK_WARM_START = 10;
const QUICK_GROUPS = 2;
const QUICK_EVALUATION = 8;
const QUICK_TOKENS = 2;

/** The job with the overrides in place of what the notebook asked for. */
export function overrideJob(asked: Job, { seed, engine, steps, quick = false }: JobOverrides): Job {
  const common = { seed: seed ?? asked.seed, engine: engine ?? asked.engine };
  if (asked.kind === "simulated") {
    const { algorithm } = asked;
    const perUpdate = algorithm.envs * algorithm.steps;
    const totalSteps = quick ? Math.min(algorithm.totalSteps, QUICK_UPDATES * perUpdate) : steps;
    return {
      ...asked,
      ...common,
      algorithm: { ...algorithm, totalSteps: totalSteps ?? algorithm.totalSteps },
    };
  }
  if (asked.kind === "supervised") {
    const { algorithm, warmStart } = asked;
    const updates = Math.max(1, Math.floor((steps ?? Infinity) / algorithm.batchSize));
    return {
      ...asked,
      ...common,
      warmStart: quickWarmStart(warmStart, quick),
      algorithm: {
        ...algorithm,
        updates: Math.min(algorithm.updates, quick ? QUICK_UPDATES : updates),
      },
    };
  }
  const { algorithm, warmStart } = asked;
  const perUpdate = algorithm.groups * algorithm.groupSize;
  const updates = steps === undefined ? algorithm.updates : Math.max(1, Math.floor(steps / perUpdate));
  if (!quick) return { ...asked, ...common, algorithm: { ...algorithm, updates } };
  return {
    ...asked,
    ...common,
    warmStart: quickWarmStart(warmStart, quick),
    algorithm: {
      ...algorithm,
      updates: Math.min(algorithm.updates, QUICK_UPDATES),
      groups: Math.min(algorithm.groups, QUICK_GROUPS),
      evaluationTasks: Math.min(algorithm.evaluationTasks, QUICK_EVALUATION),
    },
  };
}

/** The question with the overrides in place of what the notebook asked for. */
export const overrideCompletion = (
  asked: CompletionRequest,
  { quick = false }: JobOverrides,
): CompletionRequest => (quick ? { ...asked, maxTokens: Math.min(asked.maxTokens, QUICK_TOKENS) } : asked);

const quickWarmStart = (warmStart: WarmStart | null, quick: boolean): WarmStart | null =>
  warmStart && quick ? { ...warmStart, steps: Math.min(warmStart.steps, QUICK_WARM_START) } : warmStart;
