#include "common/scalars.wgsl"

// Renews the running statistics after a rollout (Stable-Baselines3's VecNormalize, once an update): a workgroup for
// each observation, the last for the discounted return; those that the run does not want are not dispatched. Mean and population variance in two passes and fixed order,
// then a parallel Welford merge. Twin: src/rl/normalization.ts.

@group(0) @binding(1) var<storage, read> transitions: array<u32>;
@group(0) @binding(2) var<storage, read> raw_observations: array<f32>;
@group(0) @binding(3) var<storage, read_write> normalization: array<f32>;

#include "common/transitions.wgsl"
#include "common/counted.wgsl"
#include "common/normalization.wgsl"

alias Sum = vec2f;
#include "common/workgroup_sum.wgsl"

// Over this lane's share: (sum of (x - center)^power, number), power 1 or 2.
fn share(quantity: u32, lane: u32, center: f32, squared: bool) -> vec2f {
  var sum = vec2f();
  if (quantity < OBSERVATION_SIZE) {
    for (var row = lane; row < TRANSITIONS; row += LANES) {
      if (counts(row)) {
        let x = raw_observations[row * OBSERVATION_SIZE + quantity] - center;
        sum += vec2f(select(x, x * x, squared), 1.0);
      }
    }
    return sum;
  }
  for (var env = lane; env < ENVS; env += LANES) {
    var discounted = normalization[DISCOUNTED + env];
    for (var t = 0u; t < STEPS; t++) {
      let row = t * ENVS + env;
      if (counts(row)) {
        discounted = discounted * scalars.gamma + bitcast<f32>(transitions[REWARD + row]);
        let x = discounted - center;
        sum += vec2f(select(x, x * x, squared), 1.0);
        discounted = select(discounted, 0.0, transitions[ENDED + row] != 0u);
      }
    }
    if (squared) {
      normalization[DISCOUNTED + env] = discounted;
    }
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let quantity = group.x + FIRST_QUANTITY;
  let first = workgroup_sum(lane, share(quantity, lane, 0.0, false));
  let count = first.y;
  let mean = first.x / count;
  let variance = workgroup_sum(lane, share(quantity, lane, mean, true)).x / count;
  if (lane == 0u) {
    let before = normalization[quantity];
    let total = before + count;
    let old_mean = normalization[NORMAL_MEAN + quantity];
    let delta = mean - old_mean;
    let squares = normalization[NORMAL_VARIANCE + quantity] * before + variance * count
      + delta * delta * before * (count / total);
    normalization[NORMAL_MEAN + quantity] = old_mean + delta * (count / total);
    normalization[NORMAL_VARIANCE + quantity] = squares / total;
    normalization[quantity] = total;
  }
}
