import { FulguriteError } from "../gpu/error.ts";
import { rolloutRewardDefinition, type RolloutReward } from "../reward/rollout-reward.ts";
import { grpo, type LanguageAlgorithm } from "../rl/grpo.ts";
import { isPolicy, policyConfig, type CharacterPolicy } from "./character-policy.ts";
import { checkAgenticJob } from "./check-agentic-job.ts";
import { agentDefinition, type Agent } from "./define-agent.ts";
import type { AgenticJob } from "./job.ts";
import { checkTrainOptions } from "./train-options.ts";

export interface AgenticJobOptions {
  /** `defineAgent(...)`. */
  readonly agent: Agent;
  /** `defineReward(...)` of a function over rollouts or of components. */
  readonly reward: RolloutReward;
  /** Cloneable; held-out tasks are evaluated and never trained on, so none may be in both. */
  readonly tasks: { readonly train: readonly unknown[]; readonly heldOut: readonly unknown[] };
  /** `characterPolicy(...)`, `wordPolicy(...)`, `bytePairPolicy(...)` or `modelPolicy(...)`. */
  readonly policy: CharacterPolicy;
  /** Default `grpo()`. */
  readonly algorithm?: LanguageAlgorithm;
  /** Unsigned 32-bit; default 1. */
  readonly seed?: number;
  /** Shown in lists; default the agent's name. */
  readonly name?: string;
  /** "auto" (default) takes WebGPU where there is a GPU, else, also on a software adapter, the CPU engine. */
  readonly engine?: AgenticJob["engine"];
  /** Milliseconds an attempt may take; default 10,000. */
  readonly timeout?: number;
  /**
   * Bit for bit the same on the same engine and adapter: seeds the agent's `Math.random` too, and an attempt that runs
   * into its timeout ends the run. Default false.
   */
  readonly deterministic?: boolean;
}

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/**
 * The job `train` sends to a trainer for an agent: code as source, everything else as plain numbers. Throws
 * `FulguriteError` "train/invalid", and whatever finding the closures of agent and reward throws.
 */
export function agenticJob(options: AgenticJobOptions): AgenticJob {
  const {
    policy,
    tasks,
    algorithm = grpo(),
    seed = 1,
    engine = "auto",
    timeout = 10_000,
    deterministic = false,
  } = options;
  const own = ["agent", "reward", "tasks", "policy", "algorithm", "timeout", "deterministic"];
  checkTrainOptions(options, "for an agent", own);
  const agent = agentDefinition(options.agent);
  if (!agent) {
    throw invalid("`agent` is not an agent.", 'Pass one made by `defineAgent("name", async (task) => ...)`.');
  }
  const reward = rolloutRewardDefinition(options.reward);
  if (!reward) {
    const isStep = (options.reward as { kind?: unknown } | undefined)?.kind === "step-reward";
    throw invalid(
      isStep
        ? "`reward` is a reward of single steps, and an agent's is over whole rollouts."
        : "`reward` is not a reward over rollouts.",
      "Pass one made by `defineReward((task, result) => number)`.",
    );
  }
  if (!isPolicy(policy)) {
    throw invalid(
      "`policy` is not a policy.",
      'Pass one, for example `characterPolicy({ alphabet: "abc" })`.',
    );
  }
  const { train, heldOut } = (tasks ?? {}) as Partial<AgenticJobOptions["tasks"]>;
  const job: AgenticJob = {
    kind: "agentic",
    agent: agent.source(),
    reward: reward.source(),
    tasks: { train: train ?? [], heldOut: heldOut ?? [] },
    policy: policyConfig(policy),
    algorithm,
    warmStart: policy.warmStart,
    timeout,
    deterministic,
    seed,
    name: options.name ?? agent.name,
    engine,
  };
  checkAgenticJob(job);
  return job;
}
