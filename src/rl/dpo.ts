import { FulguriteError } from "../gpu/error.ts";
import { checkNames } from "./option-names.ts";
import type { OptimizerOptions } from "./optimizer-options.ts";
import type { PreferenceLoss } from "./preference-losses.ts";
import {
  checkSupervisedPlan,
  likelihood,
  resolvePlan,
  supervisedOptions,
  type SupervisedPlan,
} from "./sft.ts";
import type { TokenLossConfig } from "./token-loss-config.ts";
import { oneOf } from "./validate-config.ts";

/** Learning from preferences; every field is a resolved number, `dpo()` fills the defaults. */
export interface DpoConfig extends SupervisedPlan {
  readonly kind: "dpo";
  readonly preference: PreferenceLoss;
  readonly loss: TokenLossConfig;
}

export type DpoOptions = Partial<SupervisedPlan> &
  Partial<OptimizerOptions> & {
    /** How far the policy may leave its reference for a preference; default 0.1. */
    readonly beta?: number;
    /**
     * Share s of the preferences that are taken to be the wrong way round, below 0.5, default 0: the loss is
     * -(1 - s) log sigmoid(beta h) - s log sigmoid(-beta h) (conservative DPO, arXiv 2305.18290).
     */
    readonly labelSmoothing?: number;
    /** Default "sigmoid"; "ipo" is (h - 1 / (2 beta))^2, which does not saturate (arXiv 2310.12036). */
    readonly variant?: "sigmoid" | "ipo";
  };

/**
 * Direct preference optimization (arXiv 2305.18290) over pairs of answers: the mean over a batch's pairs of
 * -log sigmoid(beta h), h = (log pi(chosen) - log ref(chosen)) - (log pi(rejected) - log ref(rejected)), sums over the
 * answers' tokens; the reference is the policy as the run begins. Defaults: 200 steps of 32 pairs, beta 0.1, AdamW 1e-4
 * (0.9, 0.99) falling in a line to a tenth, gradient norm 1. Throws "rl/invalid-config".
 */
export function dpo(options: DpoOptions = {}): DpoConfig {
  checkNames("dpo", options, [...supervisedOptions, "beta", "labelSmoothing", "variant"]);
  const { beta = 0.1, labelSmoothing = 0, variant = "sigmoid" } = options;
  oneOf("variant", variant, ["sigmoid", "ipo"]);
  const rate = { learningRate: 1e-4, ...options };
  const config: DpoConfig = {
    kind: "dpo",
    ...resolvePlan(rate),
    preference: variant === "ipo" ? { name: "ipo", beta } : { name: "dpo", beta, labelSmoothing },
    loss: likelihood(rate),
  };
  checkDpo(config);
  return config;
}

/** Throws "rl/invalid-config" where the settings cannot be used. */
export function checkDpo(config: DpoConfig): void {
  checkSupervisedPlan(config);
  const { preference } = config;
  const smoothing = preference.name === "dpo" ? (preference.labelSmoothing ?? 0) : 0;
  if (preference.beta > 0 && Number.isFinite(preference.beta) && smoothing >= 0 && smoothing < 0.5) return;
  throw new FulguriteError(
    "rl/invalid-config",
    `beta ${preference.beta} and labelSmoothing ${smoothing} cannot be used.`,
    "Pass beta above 0, and labelSmoothing from 0 to below 0.5.",
  );
}
