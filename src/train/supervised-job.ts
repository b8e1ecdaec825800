import { FulguriteError } from "../gpu/error.ts";
import type { DpoConfig } from "../rl/dpo.ts";
import { sft, type SftConfig } from "../rl/sft.ts";
import { isPolicy, policyConfig, type CharacterPolicy } from "./character-policy.ts";
import { checkSupervisedJob } from "./check-supervised-job.ts";
import type { SupervisedJob } from "./job.ts";
import { checkTrainOptions } from "./train-options.ts";

export interface SupervisedJobOptions {
  /**
   * `{ prompt, completion }` or `{ messages }` to imitate (`sft`), `{ prompt, chosen, rejected }` to prefer (`dpo`).
   * Held-out ones are evaluated and never trained on, so none may be in both lists.
   */
  readonly examples: SupervisedJob["examples"];
  /** `characterPolicy(...)`, `wordPolicy(...)`, `bytePairPolicy(...)` or `modelPolicy(...)`. */
  readonly policy: CharacterPolicy;
  /** Default `sft()`. */
  readonly algorithm?: SftConfig | DpoConfig;
  /** Unsigned 32-bit; default 1: start weights and the order of the examples. */
  readonly seed?: number;
  /** Shown in lists; default the algorithm's name. */
  readonly name?: string;
  /** "auto" (default) takes WebGPU where there is a GPU, else, also on a software adapter, the CPU engine. */
  readonly engine?: SupervisedJob["engine"];
}

/** The job `train` sends to a trainer for examples, validated. Throws "train/invalid" and "rl/invalid-config". */
export function supervisedJob(options: SupervisedJobOptions): SupervisedJob {
  const { examples, policy, algorithm = sft(), seed = 1, engine = "auto" } = options;
  checkTrainOptions(options, "on examples", ["examples", "policy", "algorithm"]);
  if (!isPolicy(policy)) {
    throw new FulguriteError(
      "train/invalid",
      "`policy` is not a policy.",
      'Pass one, for example `characterPolicy({ alphabet: "abc" })`.',
    );
  }
  const { train, heldOut } = (examples ?? {}) as Partial<SupervisedJob["examples"]>;
  const job: SupervisedJob = {
    kind: "supervised",
    examples: { train: train ?? [], heldOut: heldOut ?? [] },
    policy: policyConfig(policy),
    algorithm,
    warmStart: policy.warmStart,
    seed,
    name: options.name ?? String((algorithm as { kind?: unknown } | null)?.kind),
    engine,
  };
  checkSupervisedJob(job);
  return job;
}
