/** Floats of the metrics struct in shaders/common/metrics.wgsl. */
export const METRICS_LENGTH = 20;

/** Word of each figure; the first six are sums over the optimizer steps. */
export const metricWord = {
  policyLoss: 0,
  entropy: 1,
  kl: 2,
  clipped: 3,
  valueLoss: 4,
  gradientNorm: 5,
  episodes: 6,
  episodeReturn: 7,
  environmentReturn: 8,
  episodeLength: 9,
  rewardMean: 10,
  returnVariance: 11,
  residualVariance: 12,
  optimizerSteps: 13,
  episodeCost: 14,
} as const;
