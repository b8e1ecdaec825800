import type { AlgorithmConfig, LinearSchedule } from "./config.ts";

/** start + (end - start) x update / updates, `update` counted from 0: CleanRL's annealing. */
export function scheduleValue(schedule: LinearSchedule, update: number, updates: number): number {
  return schedule.start + ((schedule.end - schedule.start) * Math.min(update, updates)) / updates;
}

/** Whole updates that fit into `totalSteps`, at least one. */
export function updateCount(config: AlgorithmConfig): number {
  return Math.max(1, Math.floor(config.totalSteps / (config.envs * config.steps)));
}
