// The metrics struct of one update, 20 floats (src/kernels/metrics.ts). The first METRIC_SUMS add up over the
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
// Optimizer steps taken.
const METRIC_STEPS: u32 = 13u;
const METRIC_COST: u32 = 14u;
// Two flags by turns: whether the epochs have ended before an even, before an odd minibatch.
const METRIC_STOPPED: u32 = 16u;
