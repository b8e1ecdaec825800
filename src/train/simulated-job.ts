import type { RowLoss } from "../compile/define-loss.ts";
import type { Environment } from "../env/environment.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { StepReward } from "../reward/define-reward.ts";
import type { AlgorithmConfig } from "../rl/config.ts";
import { ppo } from "../rl/ppo.ts";
import type { RewardSource, SimulatedJob } from "./job.ts";
import { checkTrainOptions } from "./train-options.ts";

export interface JobOptions {
  /** What the agent acts in, for example `cartPole()`. */
  readonly env: Environment;
  /** A compiled step reward (`defineReward.step`); default the environment's own. */
  readonly reward?: StepReward;
  /** What `ppoLagrangian({ costLimit })` bounds, a step function as a reward is: `defineReward.step((s, a, next) => ...)`. */
  readonly cost?: StepReward;
  /** In place of the algorithm's surrogate, entropy bonus and value loss: `defineLoss((row) => ...)`. */
  readonly loss?: RowLoss;
  /** Default `ppo()`. */
  readonly algorithm?: AlgorithmConfig;
  /** Unsigned 32-bit; default 1. The same seed, engine and adapter give the same bits. */
  readonly seed?: number;
  /** Shown in lists; default the environment's name. */
  readonly name?: string;
  /** "auto" (default) takes WebGPU where there is a GPU, else, also on a software adapter, the CPU engine. */
  readonly engine?: SimulatedJob["engine"];
}

/** The job `train` would send to a trainer, validated. Throws `FulguriteError` "train/invalid". */
export function simulatedJob(options: JobOptions): SimulatedJob {
  const { env, reward, cost, loss, algorithm = ppo(), seed = 1, engine = "auto" } = options;
  checkTrainOptions(options, "in an environment", ["env", "reward", "cost", "loss", "algorithm"]);
  if (typeof env?.name !== "string") {
    throw new FulguriteError(
      "train/invalid",
      "`env` is not an environment.",
      "Pass one, for example `cartPole()`.",
    );
  }
  if (!env.reference && typeof env.scene !== "function") {
    throw new FulguriteError(
      "train/invalid",
      typeof env === "function" ? "`env` is a function." : "`env` is what an environment is defined by.",
      typeof env === "function" ? "Call it: `cartPole()`." : "Pass what `defineEnv` gives.",
    );
  }
  if (typeof algorithm?.kind !== "string") {
    throw new FulguriteError(
      "train/invalid",
      "`algorithm` is no algorithm.",
      "Pass one, for example `ppo()`.",
    );
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new FulguriteError(
      "train/invalid",
      `The seed ${String(seed)} is not an unsigned 32-bit integer.`,
      "Pass a whole number from 0 to 4294967295.",
    );
  }
  if (reward && typeof reward.source !== "string") {
    throw new FulguriteError(
      "train/invalid",
      "`reward` is not a step reward.",
      "Define it: `defineReward.step((s, a, next) => ...)`.",
    );
  }
  if (cost && typeof cost.source !== "string") {
    throw new FulguriteError(
      "train/invalid",
      "`cost` is not a step function.",
      "Define it as a reward is: `defineReward.step((s, a, next) => ...)`.",
    );
  }
  if ((cost !== undefined) !== ((algorithm.costLimit ?? null) !== null)) {
    throw new FulguriteError(
      "train/invalid",
      cost ? "Nothing limits the cost." : "There is a cost limit and no cost.",
      "Pass both: `cost: defineReward.step(...)` and `algorithm: ppoLagrangian({ costLimit: 25 })`.",
    );
  }
  if (loss && loss.kind !== "row-loss") {
    throw new FulguriteError(
      "train/invalid",
      "`loss` is not a row's loss.",
      "Define it: `defineLoss((row) => ...)`.",
    );
  }
  if (!["auto", "webgpu", "cpu"].includes(engine)) {
    throw new FulguriteError(
      "train/invalid",
      `There is no engine "${engine}".`,
      'Use "auto", "webgpu" or "cpu".',
    );
  }
  return {
    kind: "simulated",
    environment: env.reference ?? env.name,
    reward: reward ? travelling(reward) : null,
    cost: cost ? travelling(cost) : null,
    loss: loss ? travelling(loss) : null,
    algorithm,
    sweep: null,
    sweepRun: null,
    seed,
    name: options.name ?? env.name,
    engine,
  };
}

const travelling = ({ source, constants, functions, line }: Required<RewardSource>): RewardSource => ({
  source,
  constants,
  functions,
  line,
});
