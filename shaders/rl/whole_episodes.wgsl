#include "common/workgroup.wgsl"

// What the steps of whole episodes count for, one thread per environment: their weight in a mean over all STEPS x ENVS
// rows and, where episodes are compared in groups, the advantage of their return among its siblings' (GRPO, Dr.GRPO,
// RLOO). Twin: src/rl/episode-credit.ts.

@group(0) @binding(0) var<storage, read> episodes: array<u32>;
@group(0) @binding(1) var<storage, read_write> transitions: array<u32>;

#include "common/transitions.wgsl"
#include "common/episodes.wgsl"

fn return_of(env: u32) -> f32 {
  return bitcast<f32>(episodes[env * EPISODE_WORDS + ENDED_RETURN]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let env = id.x;
  if (env >= ENVS) {
    return;
  }
  let length = episodes[env * EPISODE_WORDS + ENDED_LENGTH];
  var total = 0u;
  for (var n = 0u; n < ENVS; n++) {
    total += episodes[n * EPISODE_WORDS + ENDED_LENGTH];
  }
  var weight = 1.0;
#if EPISODE_MEAN
  weight = f32(STEPS) / f32(length);
#end
#if STEP_MEAN
  weight = f32(TRANSITIONS) / f32(total);
#end
#if GROUPED
  let first = env / GROUP * GROUP;
  var sum = 0.0;
  var equal = true;
  for (var n = first; n < first + GROUP; n++) {
    sum += return_of(n);
    equal = equal && return_of(n) == return_of(first);
  }
  let mean = sum / f32(GROUP);
  var squares = 0.0;
  for (var n = first; n < first + GROUP; n++) {
    let x = return_of(n) - mean;
    squares += x * x;
  }
  var advantage = return_of(env) - mean;
#if STANDARDIZED
  advantage /= sqrt(squares / f32(GROUP - 1u)) + 1e-4;
#end
#if LEAVE_ONE_OUT
  advantage *= f32(GROUP) / f32(GROUP - 1u);
#end
  advantage = select(advantage, 0.0, equal);
#end
  for (var t = 0u; t < length; t++) {
    let row = t * ENVS + env;
    transitions[SHARE + row] = bitcast<u32>(weight);
#if GROUPED
    transitions[ADVANTAGE + row] = bitcast<u32>(advantage);
#end
  }
}
