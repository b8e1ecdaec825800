#include "common/scalars.wgsl"

// Generalised advantage estimation (Schulman et al. 2015, arXiv 1506.02438, equation 16), one thread per
// environment, backwards. Termination cuts the bootstrap; the time limit cuts only the trace and bootstraps from
// the last observation's value (0 where the run does not want that). Twin: src/kernels/reference/gae.ts.

// Where there is a cost, its advantages are estimated alike, and A = (A_r - lambda A_c) / (1 + lambda).

@group(0) @binding(1) var<storage, read_write> transitions: array<u32>;
#if NORMALIZE_REWARDS
@group(0) @binding(2) var<storage, read> normalization: array<f32>;
#include "common/normalization.wgsl"
#end

#include "common/transitions.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let env = id.x;
  if (env >= ENVS) {
    return;
  }
  var advantage = 0.0;
  var next_value = bitcast<f32>(transitions[VALUE + TRANSITIONS + env]);
#if COSTED
  var cost_advantage = 0.0;
  var next_cost_value = bitcast<f32>(transitions[COST_VALUE + TRANSITIONS + env]);
#end
  for (var step = STEPS; step > 0u; step--) {
    let row = (step - 1u) * ENVS + env;
    let value = bitcast<f32>(transitions[VALUE + row]);
    var reward = bitcast<f32>(transitions[REWARD + row]);
#if NORMALIZE_REWARDS
    reward = normalize(reward, 0.0, normalization[NORMAL_VARIANCE + OBSERVATION_SIZE]);
#end
    let ended = transitions[ENDED + row];
    let bootstrap = select(next_value, bitcast<f32>(transitions[FINAL_VALUE + row]), ended != 0u);
    let going_on = select(0.0, 1.0, ended == 0u);
    let alive = select(1.0, 0.0, (ended & 1u) != 0u);
    let delta = reward + scalars.gamma * alive * bootstrap - value;
    advantage = delta + scalars.gamma * scalars.lambda * going_on * advantage;
#if COSTED
    let cost_value = bitcast<f32>(transitions[COST_VALUE + row]);
    let cost_bootstrap = select(next_cost_value, bitcast<f32>(transitions[FINAL_COST_VALUE + row]), ended != 0u);
    let cost_delta = bitcast<f32>(transitions[COST + row]) + scalars.gamma * alive * cost_bootstrap - cost_value;
    cost_advantage = cost_delta + scalars.gamma * scalars.lambda * going_on * cost_advantage;
    transitions[COST_RETURN + row] = bitcast<u32>(cost_advantage + cost_value);
    next_cost_value = cost_value;
    transitions[ADVANTAGE + row] =
      bitcast<u32>((advantage - scalars.multiplier * cost_advantage) / (1.0 + scalars.multiplier));
#else
    transitions[ADVANTAGE + row] = bitcast<u32>(advantage);
#end
    transitions[RETURN + row] = bitcast<u32>(advantage + value);
    next_value = value;
  }
}
