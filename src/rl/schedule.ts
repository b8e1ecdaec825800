import type { AlgorithmConfig, UpdateSchedule } from "./config.ts";

/**
 * Value of a schedule in `update` of `updates`, counted from 0. Linear is CleanRL's annealing,
 * start + (end - start) u / U; "cosine" is end + (start - end) (1 + cos(pi u / U)) / 2 (Loshchilov and Hutter 2016,
 * arXiv 1608.03983). With `warmup` w it first rises, start (u + 1) / w, and falls over the other U - w.
 */
export function scheduleValue(schedule: UpdateSchedule, update: number, updates: number): number {
  const { start, end, warmup = 0, shape = "linear" } = schedule;
  if (update < warmup) return (start * (update + 1)) / warmup;
  const done = Math.min(update - warmup, updates - warmup);
  const span = Math.max(1, updates - warmup);
  if (shape === "linear") return start + ((end - start) * done) / span;
  return end + ((start - end) * (1 + Math.cos((Math.PI * done) / span))) / 2;
}

/** Whole updates that fit into `totalSteps`, at least one. */
export function updateCount(config: AlgorithmConfig): number {
  return Math.max(1, Math.floor(config.totalSteps / (config.envs * config.steps)));
}
