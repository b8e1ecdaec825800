import { FulguriteError } from "../gpu/error.ts";
import type { LinearSchedule, PpoConfig } from "./config.ts";

/** A number stays constant over the run; `{ start, end }` changes linearly with the updates. */
export type Schedule = number | LinearSchedule;

type Scheduled = "learningRate" | "clip";

/** Options of `ppo()`: any field of `PpoConfig`, over a preset's values. Defaults are those of "sb3-zoo-cartpole". */
export type PpoOptions = Partial<Omit<PpoConfig, "kind" | Scheduled>> & {
  /** Where the values come from that are not given; default "sb3-zoo-cartpole". */
  readonly preset?: PpoPreset;
  /** Default 0.001 falling to 0. */
  readonly learningRate?: Schedule;
  /** Default 0.2 falling to 0. */
  readonly clip?: Schedule;
};

export type PpoPreset = "cleanrl" | "sb3" | "sb3-zoo-cartpole";

const common = {
  kind: "ppo",
  valueCoefficient: 0.5,
  maxGradientNorm: 0.5,
  normalizeAdvantages: true,
  adamEpsilon: 1e-5,
  weightDecay: 0,
  hidden: [64, 64],
  separateTowers: true,
} as const;

/** Published settings, by name. */
export const ppoPresets: Readonly<Record<PpoPreset, PpoConfig>> = {
  /** CleanRL `ppo.py`: 4 x 128, value clip, entropy bonus; a time limit counts as termination. */
  cleanrl: {
    ...common,
    envs: 4,
    steps: 128,
    minibatchSize: 128,
    epochs: 4,
    totalSteps: 500_000,
    learningRate: { start: 2.5e-4, end: 0 },
    gamma: 0.99,
    lambda: 0.95,
    clip: { start: 0.2, end: 0.2 },
    valueClip: 0.2,
    entropyCoefficient: 0.01,
    truncationBootstrap: false,
  },
  /** Defaults of Stable-Baselines3's PPO. It has no default length; 100,000 steps here. */
  sb3: {
    ...common,
    envs: 1,
    steps: 2048,
    minibatchSize: 64,
    epochs: 10,
    totalSteps: 100_000,
    learningRate: { start: 3e-4, end: 3e-4 },
    gamma: 0.99,
    lambda: 0.95,
    clip: { start: 0.2, end: 0.2 },
    valueClip: null,
    entropyCoefficient: 0,
    truncationBootstrap: true,
  },
  /** RL Baselines3 Zoo's `ppo.yml`, CartPole-v1: short rollouts, many epochs; solved by about 70,000 steps. */
  "sb3-zoo-cartpole": {
    ...common,
    envs: 8,
    steps: 32,
    minibatchSize: 256,
    epochs: 20,
    totalSteps: 100_000,
    learningRate: { start: 1e-3, end: 0 },
    gamma: 0.98,
    lambda: 0.8,
    clip: { start: 0.2, end: 0 },
    valueClip: null,
    entropyCoefficient: 0,
    truncationBootstrap: true,
  },
};

/**
 * Proximal policy optimisation, configured: a preset's values with the given ones over them. Where `envs` or
 * `steps` is given and `minibatchSize` is not, the number of minibatches stays the preset's. Throws
 * `rl/invalid-config` for a value that cannot work, an unknown option or an unknown preset.
 */
export function ppo(options: PpoOptions = {}): PpoConfig {
  const { preset = "sb3-zoo-cartpole", ...given } = options;
  if (!Object.hasOwn(ppoPresets, preset)) {
    invalid(`There is no PPO preset "${String(preset)}".`, `Use one of ${listed(Object.keys(ppoPresets))}.`);
  }
  const base = ppoPresets[preset];
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(base, name) || name === "kind") {
      invalid(
        `ppo() has no option "${name}".`,
        `It has ${listed(Object.keys(base).filter((k) => k !== "kind"))}.`,
      );
    }
  }
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const merged = { ...base, ...present } as typeof base & Pick<PpoOptions, Scheduled>;
  const minibatches = (base.envs * base.steps) / base.minibatchSize;
  const config: PpoConfig = {
    ...merged,
    minibatchSize: given.minibatchSize ?? Math.max(1, Math.floor((merged.envs * merged.steps) / minibatches)),
    learningRate: schedule(given.learningRate ?? base.learningRate),
    clip: schedule(given.clip ?? base.clip),
  };
  validatePpo(config);
  return config;
}

/** Throws `rl/invalid-config` unless the engines can run it. For configurations from a file or another realm. */
export function validatePpo(config: PpoConfig): void {
  const { envs, steps, minibatchSize, totalSteps } = config;
  for (const name of ["envs", "steps", "minibatchSize", "epochs", "totalSteps"] as const) {
    whole(name, config[name], 1, 2 ** 31 - 1);
  }
  if (envs > 65_536) invalid(`envs is ${envs}.`, "Use at most 65536 environments.");
  const batch = envs * steps;
  if (batch > 2 ** 22) {
    invalid(`envs x steps is ${batch}, the transitions of one update.`, "Use at most 4194304.");
  }
  if (batch % minibatchSize !== 0) {
    invalid(
      `minibatchSize ${minibatchSize} does not divide envs x steps = ${batch}.`,
      `Use a divisor of ${batch}, for example ${largestDivisor(batch, minibatchSize)}.`,
    );
  }
  if (config.normalizeAdvantages && minibatchSize < 2) {
    invalid("minibatchSize is 1, and one advantage cannot be normalised.", "Use at least 2.");
  }
  if (totalSteps < batch) {
    invalid(`totalSteps ${totalSteps} is less than one update.`, `Use at least envs x steps = ${batch}.`);
  }
  for (const name of ["learningRate", "clip"] as const) {
    const { start, end } = config[name] as Partial<LinearSchedule>;
    between(`${name}.start`, start, 0, 10);
    between(`${name}.end`, end, 0, 10);
  }
  between("gamma", config.gamma, 0, 1);
  between("lambda", config.lambda, 0, 1);
  if (config.valueClip !== null) between("valueClip", config.valueClip, 0, Infinity);
  between("entropyCoefficient", config.entropyCoefficient, 0, 1000);
  between("valueCoefficient", config.valueCoefficient, 0, 1000);
  between("weightDecay", config.weightDecay, 0, 1000);
  between("adamEpsilon", config.adamEpsilon, 1e-12, 1);
  between("maxGradientNorm", config.maxGradientNorm, 1e-12, Infinity);
  for (const name of ["normalizeAdvantages", "truncationBootstrap", "separateTowers"] as const) {
    if (typeof config[name] !== "boolean")
      invalid(`${name} is ${shown(config[name])}.`, "Use true or false.");
  }
  if (!Array.isArray(config.hidden) || config.hidden.length < 1 || config.hidden.length > 8) {
    invalid(
      `hidden is ${shown(config.hidden)}.`,
      "Use a list of one to eight layer widths, for example [64, 64].",
    );
  }
  config.hidden.forEach((width, i) => {
    whole(`hidden[${i}]`, width, 1, 1024);
  });
}

function schedule(value: Schedule): LinearSchedule {
  return typeof value === "number" ? { start: value, end: value } : value;
}

function whole(name: string, value: unknown, low: number, high: number): void {
  if (!Number.isInteger(value) || (value as number) < low || (value as number) > high) {
    invalid(`${name} is ${shown(value)}.`, `Use a whole number from ${low} to ${high}.`);
  }
}

function between(name: string, value: unknown, low: number, high: number): void {
  if (typeof value !== "number" || !(value >= low && value <= high)) {
    const range = high === Infinity ? `of at least ${low}` : `from ${low} to ${high}`;
    invalid(`${name} is ${shown(value)}.`, `Use a number ${range}.`);
  }
}

function largestDivisor(batch: number, limit: number): number {
  for (let d = Math.min(limit, batch); d > 1; d--) if (batch % d === 0) return d;
  return 1;
}

function shown(value: unknown): string {
  return typeof value === "number" || value === undefined ? String(value) : JSON.stringify(value);
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1) ?? ""}`;
}

function invalid(what: string, fix: string): never {
  throw new FulguriteError("rl/invalid-config", what, fix);
}
