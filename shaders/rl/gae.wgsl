#include "common/scalars.wgsl"

// Generalised advantage estimation (Schulman et al. 2015, arXiv 1506.02438, equation 16), one thread per
// environment, backwards. Termination cuts the bootstrap; the time limit cuts only the trace and bootstraps from
// the last observation's value (0 where the run does not want that). Twin: src/kernels/reference/gae.ts.

@group(0) @binding(1) var<storage, read_write> transitions: array<u32>;

#include "common/transitions.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let env = id.x;
  if (env >= ENVS) {
    return;
  }
  var advantage = 0.0;
  var next_value = bitcast<f32>(transitions[VALUE + TRANSITIONS + env]);
  for (var step = STEPS; step > 0u; step--) {
    let row = (step - 1u) * ENVS + env;
    let value = bitcast<f32>(transitions[VALUE + row]);
    let reward = bitcast<f32>(transitions[REWARD + row]);
    let ended = transitions[ENDED + row];
    let bootstrap = select(next_value, bitcast<f32>(transitions[FINAL_VALUE + row]), ended != 0u);
    let going_on = select(0.0, 1.0, ended == 0u);
    let alive = select(1.0, 0.0, (ended & 1u) != 0u);
    let delta = reward + scalars.gamma * alive * bootstrap - value;
    advantage = delta + scalars.gamma * scalars.lambda * going_on * advantage;
    transitions[ADVANTAGE + row] = bitcast<u32>(advantage);
    transitions[RETURN + row] = bitcast<u32>(advantage + value);
    next_value = value;
  }
}
