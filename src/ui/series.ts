/** Points of one curve, x increasing. */
export interface Series {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** Weight of the past in the smoothed curve; fixed, so that a curve does not change its shape as it grows. */
export const SMOOTHING = 0.9;

/** Points drawn of one curve at most; Plot redraws 2,000 in about 7 ms. */
export const DRAWN_POINTS = 2000;

/** Drops the points whose y is not a number. */
export function measured(x: ArrayLike<number>, y: ArrayLike<number>): Series {
  const count = Math.min(x.length, y.length);
  const keptX = new Float64Array(count);
  const keptY = new Float64Array(count);
  let kept = 0;
  for (let i = 0; i < count; i++) {
    if (!Number.isFinite(y[i])) continue;
    keptX[kept] = x[i]!;
    keptY[kept++] = y[i]!;
  }
  return { x: keptX.subarray(0, kept), y: keptY.subarray(0, kept) };
}

/**
 * Exponential moving average, debiased as Adam's moments are (Kingma & Ba 2015, section 3): the first value is
 * the first measurement and not a mix with zero. `weight` in [0, 1) is that of the past.
 */
export function smooth(series: Series, weight = SMOOTHING): Series {
  const y = new Float64Array(series.y.length);
  let average = 0;
  let bias = 1;
  for (let i = 0; i < y.length; i++) {
    average = weight * average + (1 - weight) * series.y[i]!;
    bias *= weight;
    y[i] = average / (1 - bias);
  }
  return { x: series.x, y };
}

/**
 * At most `limit` points that keep every extreme: first, last, and the lowest and highest of each bucket in
 * between. Smooth first: the average of what was kept is not the average.
 */
export function decimate(series: Series, limit = DRAWN_POINTS): Series {
  const count = series.y.length;
  if (count <= limit) return series;
  const buckets = Math.max(1, Math.floor((limit - 2) / 2));
  const kept: number[] = [0];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = 1 + Math.floor((bucket * (count - 2)) / buckets);
    const to = 1 + Math.floor(((bucket + 1) * (count - 2)) / buckets);
    let low = from;
    let high = from;
    for (let i = from; i < to; i++) {
      if (series.y[i]! < series.y[low]!) low = i;
      if (series.y[i]! > series.y[high]!) high = i;
    }
    if (low !== high) kept.push(Math.min(low, high), Math.max(low, high));
    else kept.push(low);
  }
  kept.push(count - 1);
  return {
    x: Float64Array.from(kept, (i) => series.x[i]!),
    y: Float64Array.from(kept, (i) => series.y[i]!),
  };
}

/** `first` with `second` behind it. */
export function append(first: Float64Array, second: Float64Array): Float64Array {
  if (first.length === 0) return second;
  const joined = new Float64Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
