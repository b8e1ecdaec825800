import { FulguriteError } from "../gpu/error.ts";
import type { CostLimit, EpisodeGroups, UpdateSchedule, PolicyGradientConfig } from "./config.ts";

/** Throws `rl/invalid-config` unless the engines can run it. For configurations from a file or another realm. */
export function validateConfig(config: PolicyGradientConfig): void {
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
    const { start, end, shape = "linear", warmup = 0 } = config[name] as Partial<UpdateSchedule>;
    between(`${name}.start`, start, 0, 10);
    between(`${name}.end`, end, 0, 10);
    whole(`${name}.warmup`, warmup, 0, 2 ** 31 - 1);
    if (!["linear", "cosine"].includes(shape)) {
      invalid(`${name}.shape is ${shown(shape)}.`, 'Use "linear" or "cosine".');
    }
  }
  between("gamma", config.gamma, 0, 1);
  between("lambda", config.lambda, 0, 1);
  if (config.valueClip !== null) between("valueClip", config.valueClip, 0, Infinity);
  between("entropyCoefficient", config.entropyCoefficient, 0, 1000);
  between("valueCoefficient", config.valueCoefficient, 0, 1000);
  between("weightDecay", config.weightDecay, 0, 1000);
  between("adamEpsilon", config.adamEpsilon, 1e-12, 1);
  between("maxGradientNorm", config.maxGradientNorm, 1e-12, Infinity);
  for (const name of [
    "normalizeAdvantages",
    "normalizeObservations",
    "normalizeRewards",
    "truncationBootstrap",
    "separateTowers",
  ] as const) {
    if (typeof config[name] !== "boolean")
      invalid(`${name} is ${shown(config[name])}.`, "Use true or false.");
  }
  between("rmspropDecay", config.rmspropDecay, 0, 1);
  if (config.clipHigh !== null) between("clipHigh", config.clipHigh, 0, 10);
  if (config.dualClip !== null) between("dualClip", config.dualClip, 1, 1000);
  oneOf("surrogate", config.surrogate, ["clip", "score"]);
  oneOf("episodes", config.episodes, ["continued", "whole"]);
  oneOf("optimizer", config.optimizer, ["adamw", "rmsprop", "rmsprop-tensorflow"]);
  if (config.klStop !== null) {
    between("klStop.limit", config.klStop.limit, 1e-9, 1000);
    oneOf("klStop.when", config.klStop.when, ["epoch", "step"]);
  }
  if ((config.groups !== null) !== (config.kind === "episode-grpo")) {
    invalid(`groups do not go with "${config.kind}".`, "Use episodeGrpo().");
  }
  if ((config.costLimit !== null) !== (config.kind === "ppo-lagrangian")) {
    invalid(`costLimit does not go with "${config.kind}".`, "Use ppoLagrangian().");
  }
  if (config.groups !== null) validateGroups(config, config.groups);
  if (config.costLimit !== null) validateCostLimit(config.costLimit);
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

function validateGroups(config: PolicyGradientConfig, groups: EpisodeGroups): void {
  whole("groups.size", groups.size, 2, config.envs);
  if (config.envs % groups.size !== 0) {
    invalid(
      `${config.envs} environments are not whole groups of ${groups.size}.`,
      `Use ${Math.ceil(config.envs / groups.size) * groups.size} environments.`,
    );
  }
  if (config.episodes !== "whole") {
    invalid("Groups compare whole episodes.", 'Use episodes: "whole".');
  }
  if (config.normalizeAdvantages || config.normalizeRewards) {
    invalid(
      "A group's advantages are not normalised again.",
      "Use false for normalizeAdvantages and normalizeRewards.",
    );
  }
  oneOf("groups.advantage", groups.advantage, ["standardized", "mean", "leave-one-out"]);
  oneOf("groups.aggregation", groups.aggregation, ["episode-mean", "step-mean", "constant-length"]);
}

function validateCostLimit({ limit, initial, control }: CostLimit): void {
  between("costLimit.limit", limit, 0, Infinity);
  between("costLimit.initial", initial, 0, 1e6);
  if (control.kind === "ascent") between("costLimit.control.rate", control.rate, 0, 1e6);
  else {
    for (const name of ["proportional", "integral", "derivative"] as const) {
      between(`costLimit.control.${name}`, control[name], 0, 1e6);
    }
  }
}

export function oneOf(name: string, value: unknown, values: readonly string[]): void {
  if (!values.includes(value as string)) {
    invalid(`${name} is ${shown(value)}.`, `Use ${values.map((v) => `"${v}"`).join(" or ")}.`);
  }
}

function whole(name: string, value: unknown, low: number, high: number): void {
  if (!Number.isInteger(value) || (value as number) < low || (value as number) > high) {
    invalid(`${name} is ${shown(value)}.`, `Use a whole number from ${low} to ${high}.`);
  }
}

export function between(name: string, value: unknown, low: number, high: number): void {
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

export function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1) ?? ""}`;
}

export function invalid(what: string, fix: string): never {
  throw new FulguriteError("rl/invalid-config", what, fix);
}
