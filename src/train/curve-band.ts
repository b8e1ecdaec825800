import { bootstrapInterval, interquartileMean } from "./interquartile-mean.ts";

/** Returns by environment steps; NaN where no episode ended. */
export interface ReturnCurve {
  readonly step: ArrayLike<number>;
  readonly value: ArrayLike<number>;
}

/** Environment return by environment steps: interquartile mean over seeds and its interval. */
export interface CurveBand {
  readonly step: Float64Array;
  readonly mean: Float64Array;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** Points of a band. */
const CURVE_POINTS = 100;

/**
 * The curves at common steps, up to where the shortest ends, each seen through the mean of its updates since the last
 * one in which episodes ended. NaN where none has ended yet.
 */
export function curveBand(curves: readonly ReturnCurve[], confidence: number): CurveBand {
  const last = Math.min(...curves.map(({ step }) => step[step.length - 1] ?? 0));
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
function resample({ step, value }: ReturnCurve, at: Float64Array): number[] {
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
