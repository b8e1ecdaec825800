import { curveBand, type CurveBand } from "./curve-band.ts";
import type { RunEvent } from "./events.ts";
import { runSweep, type SweepPlan, type SweepRun, type SweepScores, type SweepSetting } from "./run-sweep.ts";
import { train, type TrainSettings } from "./train.ts";

export interface SweepOptions extends SweepPlan, Omit<TrainSettings, "onEvent"> {}

export interface SweepSummary extends SweepScores {
  /** Environment return by environment steps: interquartile mean over the seeds and its interval. */
  readonly curve: CurveBand;
}

export interface SweepResult {
  readonly runs: readonly SweepRun[];
  /** In the order of the settings. */
  readonly settings: readonly SweepSummary[];
}

/**
 * Trains every setting with every seed, one after the other, and compares them by interquartile mean and bootstrap
 * interval (Agarwal et al. 2021, arXiv 2108.13264):
 *
 *     await sweep({ slow: { env, algorithm: ppo({ learningRate: 1e-4 }) }, fast: { env, algorithm: ppo() } }, { seeds: [1, 2, 3] })
 *
 * Aborting ends the run in progress and the sweep with "train/cancelled". Throws "train/invalid" for a sweep of nothing,
 * and what `train` throws. In a notebook the cell shows curves and intervals while it trains.
 */
export async function sweep(
  settings: Readonly<Record<string, SweepSetting>>,
  options: SweepOptions = { seeds: [] },
): Promise<SweepResult> {
  const { confidence = 0.95, store, signal } = options;
  const common = { ...(store && { store }), ...(signal && { signal }) };
  const curves = new Map<string, Curve[]>();
  const { runs, settings: scores } = await runSweep(settings, options, (job, { setting, seed, name }) => {
    const curve: Curve = { step: [], value: [] };
    curves.set(setting, [...(curves.get(setting) ?? []), curve]);
    const onEvent = (event: RunEvent): void => {
      follow(curve, event);
    };
    return train({ ...job, ...common, seed, name, onEvent });
  });
  return {
    runs,
    settings: scores.map((one) => ({ ...one, curve: curveBand(curves.get(one.setting)!, confidence) })),
  };
}

interface Curve {
  step: number[];
  value: number[];
}

function follow(curve: Curve, event: RunEvent): void {
  if (event.kind !== "curve") return;
  if (event.replace) curve.step = curve.value = [];
  const values = event.curve.columns["environmentReturn"] ?? [];
  curve.step = [...curve.step, ...event.curve.step];
  curve.value = [...curve.value, ...values];
}
