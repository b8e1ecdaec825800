import type { UpdateSchedule, PolicyGradientConfig } from "./config.ts";
import { checkNames } from "./option-names.ts";
import { invalid, listed, validateConfig } from "./validate-config.ts";

/** A number stays constant over the run; `{ start, end, shape, warmup }` changes with the updates. */
export type Schedule = number | UpdateSchedule;

type Scheduled = "learningRate" | "clip";

/** Any field of the configuration; schedules may be numbers. */
export type ConfigOptions = Partial<Omit<PolicyGradientConfig, "kind" | Scheduled>> & {
  readonly [Name in keyof Pick<PolicyGradientConfig, Scheduled>]?: Schedule;
};

/** What an algorithm does not speak of: the switches that are off. */
export const neutral = {
  episodes: "continued",
  surrogate: "clip",
  clip: { start: 0.2, end: 0.2 },
  clipHigh: null,
  dualClip: null,
  klStop: null,
  valueClip: null,
  entropyCoefficient: 0,
  valueCoefficient: 0.5,
  maxGradientNorm: 0.5,
  normalizeAdvantages: true,
  normalizeObservations: false,
  normalizeRewards: false,
  optimizer: "adamw",
  adamEpsilon: 1e-5,
  rmspropDecay: 0.99,
  weightDecay: 0,
  truncationBootstrap: true,
  groups: null,
  costLimit: null,
  demonstrations: null,
  hidden: [64, 64],
  separateTowers: true,
} as const satisfies Partial<PolicyGradientConfig>;

/** A stored configuration with the switches that did not exist when it was written. */
export const completeConfig = (config: PolicyGradientConfig): PolicyGradientConfig => ({
  ...neutral,
  ...config,
});

/**
 * `base` with the given options over it. Where `envs` or `steps` is given and `minibatchSize` is not, the number of
 * minibatches stays that of `base`. Throws `rl/invalid-config`; `name` is the function that was called.
 */
export function resolveConfig(
  name: string,
  base: PolicyGradientConfig,
  given: ConfigOptions,
): PolicyGradientConfig {
  const known = Object.keys(base).filter((option) => option !== "kind");
  checkNames(name, given, known);
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const merged = { ...base, ...present } as PolicyGradientConfig;
  const minibatches = (base.envs * base.steps) / base.minibatchSize;
  const config: PolicyGradientConfig = {
    ...merged,
    minibatchSize: given.minibatchSize ?? Math.max(1, Math.floor((merged.envs * merged.steps) / minibatches)),
    learningRate: schedule(given.learningRate ?? base.learningRate),
    clip: schedule(given.clip ?? base.clip),
  };
  validateConfig(config);
  return config;
}

/** The preset of that name; throws `rl/invalid-config` where there is none. */
export function presetOf<Name extends string>(
  algorithm: string,
  presets: Readonly<Record<Name, PolicyGradientConfig>>,
  name: Name,
): PolicyGradientConfig {
  if (!Object.hasOwn(presets, name)) {
    invalid(
      `There is no ${algorithm} preset "${String(name)}".`,
      `Use one of ${listed(Object.keys(presets))}.`,
    );
  }
  return presets[name];
}

function schedule(value: Schedule): UpdateSchedule {
  return typeof value === "number" ? { start: value, end: value } : value;
}
