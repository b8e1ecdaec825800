import { FulguriteError } from "../gpu/error.ts";
import type { RunEvent } from "./events.ts";
import { bootstrapInterval, interquartileMean } from "./interquartile-mean.ts";
import type { TrainResult } from "./job.ts";
import type { JobOptions } from "./simulated-job.ts";
import { train, type TrainSettings } from "./train.ts";

/** What one setting of a sweep trains: anything `train` takes for a simulated environment, without the seed. */
export type SweepSetting = Omit<JobOptions, "seed" | "name">;

export interface SweepOptions extends Omit<TrainSettings, "onEvent"> {
  /** Every setting is trained with each of them. */
  readonly seeds: readonly number[];
  /** Figure of a finished run that is compared; default "rollout.return.last100". */
  readonly metric?: string;
  /** Share of the bootstrap's resamples inside the intervals; default 0.95. */
  readonly confidence?: number;
  /** After each run. */
  readonly onRun?: (run: SweepRun) => void;
}

export interface SweepRun {
  readonly setting: string;
  readonly seed: number;
  readonly score: number;
  readonly result: TrainResult;
}

export interface SweepSummary {
  readonly setting: string;
  /** One a seed, in their order. */
  readonly scores: readonly number[];
  readonly interquartileMean: number;
  /** Bootstrap interval of it. */
  readonly interval: readonly [low: number, high: number];
  /** Environment return by environment steps: interquartile mean over the seeds and its interval. */
  readonly curve: {
    readonly step: Float64Array;
    readonly mean: Float64Array;
    readonly low: Float64Array;
    readonly high: Float64Array;
  };
}

export interface SweepResult {
  readonly runs: readonly SweepRun[];
  /** In the order of the settings. */
  readonly settings: readonly SweepSummary[];
}

/** Points of a summary's curve. */
const CURVE_POINTS = 100;

/**
 * Trains every setting with every seed, one after the other, and compares them by interquartile mean and bootstrap
 * interval (Agarwal et al. 2021, arXiv 2108.13264):
 *
 *     await sweep({ slow: { env, algorithm: ppo({ learningRate: 1e-4 }) }, fast: { env, algorithm: ppo() } }, { seeds: [1, 2, 3] })
 *
 * Aborting ends the run in progress and the sweep with "train/cancelled". Throws "train/invalid" for a sweep of nothing,
 * and what `train` throws.
 */
export async function sweep(
  settings: Readonly<Record<string, SweepSetting>>,
  { seeds, metric = "rollout.return.last100", confidence = 0.95, onRun, ...rest }: SweepOptions,
): Promise<SweepResult> {
  const names = Object.keys(settings);
  if (names.length === 0 || seeds.length === 0) {
    throw new FulguriteError(
      "train/invalid",
      "A sweep needs at least one setting and one seed.",
      "Pass sweep({ name: { env, algorithm } }, { seeds: [1, 2, 3] }).",
    );
  }
  const runs: SweepRun[] = [];
  const summaries: SweepSummary[] = [];
  for (const name of names) {
    const curves: Curve[] = [];
    for (const seed of seeds) {
      const curve: Curve = { step: [], value: [] };
      const onEvent = (event: RunEvent): void => {
        follow(curve, event);
      };
      const result = await train({
        ...settings[name]!,
        ...rest,
        seed,
        name: `${name}, seed ${seed}`,
        onEvent,
      });
      if (result.status === "cancelled") {
        throw new FulguriteError("train/cancelled", "The sweep was stopped.", "Run it again.");
      }
      const run = { setting: name, seed, score: result.metrics[metric] ?? NaN, result };
      runs.push(run);
      curves.push(curve);
      onRun?.(run);
    }
    const scores = runs.filter((run) => run.setting === name).map((run) => run.score);
    const known = scores.filter(Number.isFinite);
    summaries.push({
      setting: name,
      scores,
      interquartileMean: interquartileMean(known),
      interval: bootstrapInterval(known, { confidence }),
      curve: band(curves, confidence),
    });
  }
  return { runs, settings: summaries };
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

/** The curves at common steps, each seen through the mean of its updates since the last one in which episodes ended. */
function band(curves: readonly Curve[], confidence: number): SweepSummary["curve"] {
  const last = Math.min(...curves.map((curve) => curve.step.at(-1) ?? 0));
  const step = Float64Array.from({ length: CURVE_POINTS }, (_, i) => (last * (i + 1)) / CURVE_POINTS);
  const columns = curves.map((curve) => resample(curve, step));
  const rows = Array.from(step, (_, i) => columns.map((column) => column[i]!).filter(Number.isFinite));
  const intervals = rows.map((row) => bootstrapInterval(row, { confidence, resamples: 200 }));
  return {
    step,
    mean: Float64Array.from(rows, interquartileMean),
    low: Float64Array.from(intervals, ([low]) => low),
    high: Float64Array.from(intervals, ([, high]) => high),
  };
}

/** Mean of what was measured up to each step and after the one before it; where nothing was, what was before. */
function resample({ step, value }: Curve, at: Float64Array): number[] {
  let i = 0;
  let known = NaN;
  return Array.from(at, (end) => {
    let sum = 0;
    let count = 0;
    for (; i < step.length && step[i]! <= end; i++) {
      if (!Number.isFinite(value[i]!)) continue;
      sum += value[i]!;
      count++;
    }
    if (count > 0) known = sum / count;
    return known;
  });
}
