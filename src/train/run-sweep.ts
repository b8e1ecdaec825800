import { FulguriteError } from "../gpu/error.ts";
import { bootstrapInterval, interquartileMean } from "./interquartile-mean.ts";
import type { TrainResult } from "./job.ts";
import type { JobOptions } from "./simulated-job.ts";

/** What one setting of a sweep trains: anything `train` takes for a simulated environment, without the seed. */
export type SweepSetting = Omit<JobOptions, "seed" | "name">;

/** What is swept and compared. */
export interface SweepPlan {
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

export interface SweepScores {
  readonly setting: string;
  /** One a seed, in their order. */
  readonly scores: readonly number[];
  readonly interquartileMean: number;
  /** Bootstrap interval of it. */
  readonly interval: readonly [low: number, high: number];
}

/** One run of a sweep. */
export type SweepTrain = (
  setting: SweepSetting,
  run: {
    readonly setting: string;
    readonly seed: number;
    readonly name: string;
    /** Runs of the sweep before it. */
    readonly index: number;
  },
) => Promise<TrainResult>;

/** Trains every setting with every seed by `trainOne`, one after the other. Throws as `sweep` does. */
export async function runSweep(
  settings: Readonly<Record<string, SweepSetting>>,
  { seeds, metric = "rollout.return.last100", confidence = 0.95, onRun }: SweepPlan,
  trainOne: SweepTrain,
): Promise<{ readonly runs: readonly SweepRun[]; readonly settings: readonly SweepScores[] }> {
  const names = Object.keys(settings ?? {});
  if (names.length === 0 || !(seeds?.length > 0)) {
    throw new FulguriteError(
      "train/invalid",
      "A sweep needs at least one setting and one seed.",
      "Pass sweep({ name: { env, algorithm } }, { seeds: [1, 2, 3] }).",
    );
  }
  const runs: SweepRun[] = [];
  const summaries: SweepScores[] = [];
  for (const setting of names) {
    for (const seed of seeds) {
      const name = `${setting}, seed ${seed}`;
      const result = await trainOne(settings[setting]!, { setting, seed, name, index: runs.length });
      if (result.status === "cancelled") {
        throw new FulguriteError("train/cancelled", "The sweep was stopped.", "Run it again.");
      }
      const run = { setting, seed, score: result.metrics[metric] ?? NaN, result };
      runs.push(run);
      onRun?.(run);
    }
    const scores = runs.filter((run) => run.setting === setting).map((run) => run.score);
    const known = scores.filter(Number.isFinite);
    summaries.push({
      setting,
      scores,
      interquartileMean: interquartileMean(known),
      interval: bootstrapInterval(known, { confidence }),
    });
  }
  return { runs, settings: summaries };
}
