#include "common/workgroup.wgsl"

// One workgroup per minibatch of all epochs: mean of its advantages and 1 / (unbiased deviation + 1e-8), over the rows
// that count; (0, 1) where advantages are not normalised. The last workgroup sums up the rollout: episodes, rewards, and the two
// variances behind the explained variance. Sums run in fixed order.

@group(0) @binding(0) var<storage, read> transitions: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> episodes: array<u32>;
@group(0) @binding(3) var<storage, read_write> statistics: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> metrics: array<f32>;

#include "common/transitions.wgsl"
#include "common/counted.wgsl"
#include "common/episodes.wgsl"
#include "common/metrics.wgsl"

alias Sum = vec4f;
#include "common/workgroup_sum.wgsl"

// 1 for a row that counts.
fn live(row: u32) -> f32 {
  return select(0.0, 1.0, counts(row));
}

// x: return, y: what the critic left of it.
fn residual(row: u32) -> vec2f {
  let target_value = bitcast<f32>(transitions[RETURN + row]);
  return vec2f(target_value, target_value - bitcast<f32>(transitions[VALUE + row]));
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let minibatch = linear_workgroup(group, groups);
  let summary = minibatch >= MINIBATCHES;
  let count = select(BATCH, TRANSITIONS, summary);
  let first = min(minibatch, MINIBATCHES) * BATCH;

  // x: advantage, or return in the summary, y: its residual, z: reward; w: rows that count.
  var sum = vec4f();
  for (var i = lane; i < count; i += LANES) {
    if (summary) {
      sum += live(i) * vec4f(residual(i), bitcast<f32>(transitions[REWARD + i]), 1.0);
    } else {
      let row = indices[first + i];
      sum += live(row) * vec4f(bitcast<f32>(transitions[ADVANTAGE + row]), 0.0, 0.0, 1.0);
    }
  }
  let total = workgroup_sum(lane, sum);
  let counted = total.w;
  let mean = total / max(counted, 1.0);
  var squares = vec4f();
  for (var i = lane; i < count; i += LANES) {
    if (summary) {
      let x = residual(i) - mean.xy;
      squares += live(i) * vec4f(x * x, 0.0, 0.0);
    } else {
      let row = indices[first + i];
      let x = bitcast<f32>(transitions[ADVANTAGE + row]) - mean.x;
      squares.x += live(row) * x * x;
    }
  }
  let deviation = workgroup_sum(lane, squares);
  var ended = vec4f();
  var ended_cost = vec4f();
  if (summary) {
    for (var env = lane; env < ENVS; env += LANES) {
      let at = env * EPISODE_WORDS;
      ended += vec4f(
        f32(episodes[at + ENDED_EPISODES]),
        bitcast<f32>(episodes[at + ENDED_RETURN]),
        bitcast<f32>(episodes[at + ENDED_ENVIRONMENT_RETURN]),
        f32(episodes[at + ENDED_LENGTH]),
      );
      ended_cost.x += bitcast<f32>(episodes[at + ENDED_COST]);
    }
  }
  let episode_sums = workgroup_sum(lane, ended);
  let cost_sum = workgroup_sum(lane, ended_cost).x;
  if (lane == 0u) {
    if (!summary) {
      let unbiased = sqrt(deviation.x / (max(counted, 2.0) - 1.0));
      statistics[minibatch] = select(vec2f(0.0, 1.0), vec2f(mean.x, 1.0 / (unbiased + 1e-8)), NORMALIZE);
    } else if (minibatch == MINIBATCHES) {
      metrics[METRIC_EPISODES] = episode_sums.x;
      metrics[METRIC_RETURN] = episode_sums.y;
      metrics[METRIC_ENVIRONMENT_RETURN] = episode_sums.z;
      metrics[METRIC_LENGTH] = episode_sums.w;
      metrics[METRIC_REWARD] = mean.z;
      metrics[METRIC_RETURN_VARIANCE] = deviation.x / max(counted, 1.0);
      metrics[METRIC_RESIDUAL_VARIANCE] = deviation.y / max(counted, 1.0);
      metrics[METRIC_STEPS] = 0.0;
      metrics[METRIC_COST] = cost_sum;
      for (var i = 0u; i < METRIC_SUMS; i++) {
        metrics[i] = 0.0;
      }
    }
  }
}
