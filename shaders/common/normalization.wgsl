// Running statistics of the observations and, last, of the discounted return (src/rl/normalization.ts): counts, means
// and variances of QUANTITIES each, then the discounted return of every environment's episode.
const QUANTITIES: u32 = OBSERVATION_SIZE + 1u;
const NORMAL_MEAN: u32 = QUANTITIES;
const NORMAL_VARIANCE: u32 = 2u * QUANTITIES;
const DISCOUNTED: u32 = 3u * QUANTITIES;

fn normalize(x: f32, mean: f32, variance: f32) -> f32 {
  return clamp((x - mean) * (1.0 / sqrt(variance + 1e-8)), -10.0, 10.0);
}
