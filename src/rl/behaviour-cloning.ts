import { actionSize, actionSpace, type Environment } from "../env/environment.ts";
import type { RowLossFunction } from "../kernels/row-loss.ts";
import { actorCriticLoss, valueLoss } from "./actor-critic-loss.ts";
import type { PolicyGradientConfig } from "./config.ts";
import type { AdvantageFunction } from "./credit.ts";
import { neutral, resolveConfig } from "./resolve-config.ts";
import { scoreSurrogate } from "./surrogate.ts";
import { invalid } from "./validate-config.ts";

/**
 * Behaviour cloning (Pomerleau 1989): the likelihood of an expert's actions, L = -mean log pi(a|s)
 * (`behaviourCloningRowLoss`), over the demonstrations in shuffled minibatches. It is the score surrogate with an
 * advantage of 1 everywhere (`behaviourCloningAdvantages`), without critic and without environment: an update is one
 * pass, its "steps" are the demonstrations. Throws `rl/invalid-config`.
 */
export function behaviourCloning(options: BehaviourCloningOptions): PolicyGradientConfig {
  const { demonstrations, epochs = 20, minibatchSize, ...given } = options;
  const { observations, actions } = demonstrations ?? {};
  const count = observations?.length ?? 0;
  if (count === 0 || actions?.length !== count) {
    invalid(
      "There is not one action for every observation.",
      "Pass demonstrations: { observations, actions }.",
    );
  }
  const width = observations[0]!.length;
  if (observations.some((observation) => observation.length !== width)) {
    invalid("The observations are of different lengths.", "Use the environment's observations.");
  }
  if (!Number.isInteger(epochs) || epochs < 1)
    invalid(`epochs is ${epochs}.`, "Use a whole number of at least 1.");
  const config = resolveConfig("behaviourCloning", base, {
    ...given,
    steps: count,
    minibatchSize: minibatchSize ?? divisorNear(count, 64),
    totalSteps: epochs * count,
  });
  return { ...config, demonstrations: { observations: observations.flat(), actions: actions.flat() } };
}

/** What an expert did is what is to be done. */
export const behaviourCloningAdvantages: AdvantageFunction = (_collected, _config, credit) => {
  credit.advantages.fill(1);
  credit.returns.fill(1);
};

/** The loss of one row, in f64: what the kernels of every engine are held to. Its value's coefficient is 0. */
export const behaviourCloningRowLoss: RowLossFunction = (row, settings) =>
  actorCriticLoss(scoreSurrogate(row), valueLoss(row, settings.valueClip), row, settings);

/** What an expert saw and did. */
export interface Demonstrations {
  /** One list of numbers a step, as the environment's observations are. */
  readonly observations: readonly (readonly number[])[];
  /** One a step, as the environment takes them. */
  readonly actions: readonly (number | readonly number[])[];
}

export interface BehaviourCloningOptions extends Partial<
  Pick<
    PolicyGradientConfig,
    "entropyCoefficient" | "maxGradientNorm" | "weightDecay" | "optimizer" | "hidden" | "separateTowers"
  >
> {
  readonly demonstrations: Demonstrations;
  /** Passes over the demonstrations; default 20. */
  readonly epochs?: number;
  /** Demonstrations of one optimizer step; default about 64, a divisor of their number. */
  readonly minibatchSize?: number;
  /** Default 0.001. */
  readonly learningRate?: number | { readonly start: number; readonly end: number };
}

const base: PolicyGradientConfig = {
  ...neutral,
  kind: "behaviour-cloning",
  surrogate: "score",
  envs: 1,
  steps: 1,
  minibatchSize: 1,
  epochs: 1,
  totalSteps: 1,
  learningRate: { start: 1e-3, end: 1e-3 },
  gamma: 0,
  lambda: 0,
  valueCoefficient: 0,
  normalizeAdvantages: false,
  truncationBootstrap: false,
};

/** The divisor of `count` that is nearest to `wanted`. */
function divisorNear(count: number, wanted: number): number {
  let best = count;
  for (let d = 1; d <= count; d++)
    if (count % d === 0 && Math.abs(d - wanted) < Math.abs(best - wanted)) best = d;
  return best;
}

/** Throws `rl/invalid-config` where the demonstrations are not of this environment. */
export function checkDemonstrations(
  environment: Environment,
  { demonstrations, steps }: PolicyGradientConfig,
): void {
  if (!demonstrations) return;
  const { observations, actions } = demonstrations;
  const { name, observationSize: size } = environment;
  const widths = [
    ["observation", observations.length / steps, size],
    ["action", actions.length / steps, actionSize(environment)],
  ] as const;
  for (const [what, width, wanted] of widths) {
    if (width !== wanted) {
      invalid(
        `An ${what} of the demonstrations has ${width} numbers, ${name}'s have ${wanted}.`,
        `Use demonstrations of ${name}.`,
      );
    }
  }
  const space = actionSpace(environment);
  if (space.kind === "continuous") return;
  const wrong = actions.find(
    (action) => !Number.isInteger(action) || action < 0 || action >= environment.actionCount,
  );
  if (wrong !== undefined) {
    invalid(
      `${wrong} is no action of ${name}.`,
      `Use whole numbers from 0 to ${environment.actionCount - 1}.`,
    );
  }
}
