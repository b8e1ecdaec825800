#include "common/math.wgsl"
#include "common/philox.wgsl"
#include "common/workgroup.wgsl"

// The environment alone: STEPS steps of every environment in one dispatch, a thread each, actions from one random bit a
// step, a new episode where one ended. Leaves the states, and how many episodes ended.

@group(0) @binding(0) var<storage, read> settings: array<u32>;
@group(0) @binding(1) var<storage, read_write> environments: array<f32>;
@group(0) @binding(2) var<storage, read_write> ended: array<u32>;

struct EnvStep {
  reward: f32,
  terminated: u32,
}

#include "environment"

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let env = linear_workgroup(group, groups) * WORKGROUP + lane;
  if (env >= ENVS) {
    return;
  }
  var state: array<f32, STATE_SIZE>;
  for (var i = 0u; i < STATE_SIZE; i++) {
    state[i] = environments[env * STATE_SIZE + i];
  }
  let round = settings[0];
  var episodes = 0u;
  var length = 0u;
  for (var block = 0u; block < STEPS / 32u; block++) {
    var bits = random4(1u, STREAM_ACTION, round * STEPS + block, env).x;
    for (var t = 0u; t < 32u; t++) {
      let outcome = env_step(&state, bits & 1u);
      bits = bits >> 1u;
      length++;
      if (outcome.terminated != 0u || length >= MAX_EPISODE_STEPS) {
        state = env_reset(random4(1u, STREAM_RESET, round * STEPS + block * 32u + t, env));
        episodes++;
        length = 0u;
      }
    }
  }
  for (var i = 0u; i < STATE_SIZE; i++) {
    environments[env * STATE_SIZE + i] = state[i];
  }
  ended[env] += episodes;
}
