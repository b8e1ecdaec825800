import { random4, stream, uniform } from "../kernels/philox.ts";

/** Mean of the middle half: a quarter of the values, rounded down, is left out at either end. NaN of nothing. */
export function interquartileMean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  const middle = sorted.slice(cut, sorted.length - cut);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

export interface IntervalOptions {
  /** Share of the resamples inside; default 0.95. */
  readonly confidence?: number;
  /** Default 2,000. */
  readonly resamples?: number;
  /** Default 0. The same values and seed give the same interval. */
  readonly seed?: number;
}

/**
 * Percentile bootstrap interval of the interquartile mean over runs (Agarwal et al. 2021, arXiv 2108.13264): as many
 * values are drawn with replacement as there are, again and again. NaN of nothing; of one value, that value twice.
 */
export function bootstrapInterval(
  values: readonly number[],
  { confidence = 0.95, resamples = 2000, seed = 0 }: IntervalOptions = {},
): readonly [low: number, high: number] {
  if (values.length === 0) return [NaN, NaN];
  const words = new Uint32Array(4);
  const means = Array.from({ length: resamples }, (_, r) =>
    interquartileMean(
      values.map((_, i) => {
        random4(seed, stream.resample, r, i, words);
        return values[Math.floor(uniform(words[0]!) * values.length)]!;
      }),
    ),
  ).sort((a, b) => a - b);
  const at = (share: number): number =>
    means[Math.min(means.length - 1, Math.round(share * (means.length - 1)))]!;
  return [at((1 - confidence) / 2), at((1 + confidence) / 2)];
}
