import type { TrainingEngine } from "../../src/rl/engine.ts";

export interface LearningCurve {
  /** Environment steps at which the mean of the last 100 episodes first reached the threshold; null if never. */
  readonly stepsToThreshold: number | null;
  /** Mean environment return of the last 100 episodes at the end. */
  readonly last: number;
  /** The largest such mean over at least 100 episodes. */
  readonly best: number;
  /** [step, mean of the last 100 episodes], about every `every` steps. */
  readonly points: readonly (readonly [number, number])[];
  readonly milliseconds: number;
  readonly steps: number;
}

/**
 * Trains until `maxSteps`, or until the threshold where `stopThere`. An update reports the mean of the episodes that
 * ended in it; every one of them counts with that mean.
 */
export async function learn(
  engine: TrainingEngine,
  options: {
    readonly threshold: number;
    readonly maxSteps: number;
    readonly stopThere: boolean;
    readonly every?: number;
  },
): Promise<LearningCurve> {
  const { threshold, maxSteps, stopThere, every = 16_000 } = options;
  let recent: number[] = [];
  let mean = 0;
  let best = -Infinity;
  let steps = 0;
  let stepsPerUpdate = 0;
  let stepsToThreshold: number | null = null;
  const points: [number, number][] = [];
  engine.onMetrics = (metrics) => {
    stepsPerUpdate = metrics.step - steps;
    steps = metrics.step;
    for (let i = 0; i < metrics.episodes; i++) recent.push(metrics.environmentReturn);
    recent = recent.slice(-100);
    mean = recent.reduce((a, b) => a + b, 0) / recent.length;
    if (recent.length === 100) best = Math.max(best, mean);
    if (recent.length === 100 && mean >= threshold) stepsToThreshold ??= steps;
    if (steps >= (points.length + 1) * every) points.push([steps, Math.round(mean * 1000) / 1000]);
  };
  const started = performance.now();
  while (steps + stepsPerUpdate <= maxSteps && !(stopThere && stepsToThreshold !== null)) {
    await engine.submit();
    await engine.flush();
  }
  return { stepsToThreshold, last: mean, best, points, milliseconds: performance.now() - started, steps };
}
