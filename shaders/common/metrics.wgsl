// The metrics struct of one update, 16 floats (src/kernels/metrics.ts). The first METRIC_SUMS add up over the
// update's minibatches.
const METRIC_SUMS: u32 = 6u;
const METRIC_POLICY_LOSS: u32 = 0u;
const METRIC_ENTROPY: u32 = 1u;
const METRIC_KL: u32 = 2u;
const METRIC_CLIPPED: u32 = 3u;
const METRIC_VALUE_LOSS: u32 = 4u;
const METRIC_GRADIENT_NORM: u32 = 5u;
const METRIC_EPISODES: u32 = 6u;
const METRIC_RETURN: u32 = 7u;
const METRIC_ENVIRONMENT_RETURN: u32 = 8u;
const METRIC_LENGTH: u32 = 9u;
const METRIC_REWARD: u32 = 10u;
const METRIC_RETURN_VARIANCE: u32 = 11u;
const METRIC_RESIDUAL_VARIANCE: u32 = 12u;
