#include "common/scalars.wgsl"
#include "common/math.wgsl"
#include "common/philox.wgsl"
#include "common/network.wgsl"

// `step_count` steps of every environment in one dispatch, a thread per environment: observe, policy and value,
// sample, step, reward, and a new episode where one ended. Exactly, for environment `env` at global step
// g = update x T + t (the CPU engine does the same):
//
// - action: inverse CDF. With u = uniform(random4(seed, STREAM_ACTION, g, env).x) the first k with
//   e_0 + ... + e_k > u x sum(e), e = exp(logit - largest logit); the last action where rounding leaves none.
// - the reward of a transition is step_reward(s, a, next) with `next` before any reset, or the environment's own.
// - truncated: not terminated, and the episode has reached MAX_EPISODE_STEPS. FINAL_VALUE is then V(next) where
//   the run bootstraps, else 0.
// - a new episode starts from env_reset(random4(seed, STREAM_RESET, g + 1, env)); the first ones of a run from
//   step 0 of that stream.
// - after the last step of an update, V of the current observation is stored as row T of VALUE.

@group(0) @binding(1) var<storage, read> parameters: array<mat4x4f>;
@group(0) @binding(2) var<storage, read_write> environments: array<f32>;
@group(0) @binding(3) var<storage, read_write> episodes: array<u32>;
@group(0) @binding(4) var<storage, read_write> observations: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> transitions: array<u32>;

#include "common/transitions.wgsl"
#include "common/episodes.wgsl"

struct EnvStep {
  reward: f32,
  terminated: u32,
}

#include "environment"
#if CUSTOM_REWARD
#include "reward"
#end

// One layer's vectors: widest layer or observation, in blocks of four.
alias Features = array<vec4f, WIDTH>;

fn bias_at(offset: u32) -> vec4f {
  return parameters[offset / 16u][offset / 4u % 4u];
}

// y = tanh(W x + b); offsets in floats.
fn dense_tanh(x: ptr<function, Features>, y: ptr<function, Features>, weight: u32, bias: u32, inputs: u32, outputs: u32) {
  for (var o = 0u; o < outputs; o += 4u) {
#for j in 0..4
    var z{j} = bias_at(bias + (o + {j}u) * 4u);
    let w{j} = weight / 16u + (o + {j}u) * inputs;
#end
    for (var k = 0u; k < inputs; k++) {
      let v = (*x)[k];
#for j in 0..4
      z{j} += v * parameters[w{j} + k];
#end
    }
#for j in 0..4
    (*y)[o + {j}u] = math_tanh4(z{j});
#end
  }
}

// Hidden features of one tower.
fn tower_features(observation: array<f32, OBSERVATION_SIZE>, tower: u32) -> Features {
  var a: Features;
  var b: Features;
  for (var i = 0u; i < OBSERVATION_SIZE; i++) {
    a[i / 4u][i % 4u] = observation[i];
  }
#for l in 0..LAYERS
  dense_tanh(&a, &b, WEIGHT_{l} + tower * STRIDE_{l}, BIAS_{l} + tower * STRIDE_{l}, INPUTS_{l}, OUTPUTS_{l});
  a = b;
#end
  return a;
}

fn head_block(features: ptr<function, Features>, block: u32) -> vec4f {
  var z = bias_at(HEAD_BIAS + block * 4u);
  for (var k = 0u; k < HEAD_INPUTS; k++) {
    z += (*features)[k] * parameters[HEAD_WEIGHT / 16u + block * HEAD_INPUTS + k];
  }
  return z;
}

fn value_of(observation: array<f32, OBSERVATION_SIZE>) -> f32 {
  var features = tower_features(observation, TOWERS - 1u);
  return head_block(&features, ACTOR_BLOCKS).x;
}

fn store_observation(observation: array<f32, OBSERVATION_SIZE>, row: u32) {
  var padded: array<vec4f, OBSERVATION_BLOCKS>;
  for (var i = 0u; i < OBSERVATION_SIZE; i++) {
    padded[i / 4u][i % 4u] = observation[i];
  }
  for (var i = 0u; i < OBSERVATION_BLOCKS; i++) {
    observations[row * OBSERVATION_BLOCKS + i] = padded[i];
  }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let env = id.x;
  if (env >= ENVS) {
    return;
  }
  var state: array<f32, STATE_SIZE>;
  for (var i = 0u; i < STATE_SIZE; i++) {
    state[i] = environments[env * STATE_SIZE + i];
  }
  let episode = env * EPISODE_WORDS;
  var episode_return = bitcast<f32>(episodes[episode + EPISODE_RETURN]);
  var environment_return = bitcast<f32>(episodes[episode + EPISODE_ENVIRONMENT_RETURN]);
  var length = episodes[episode + EPISODE_LENGTH];
  let fresh = scalars.first_step == 0u;
  var ended_episodes = select(episodes[episode + ENDED_EPISODES], 0u, fresh);
  var ended_return = select(bitcast<f32>(episodes[episode + ENDED_RETURN]), 0.0, fresh);
  var ended_environment_return = select(bitcast<f32>(episodes[episode + ENDED_ENVIRONMENT_RETURN]), 0.0, fresh);
  var ended_length = select(episodes[episode + ENDED_LENGTH], 0u, fresh);

  let end = scalars.first_step + scalars.step_count;
  for (var t = scalars.first_step; t < end; t++) {
    let row = t * ENVS + env;
    let step = scalars.base_step + t;
    let observation = env_observe(&state);
    store_observation(observation, row);
    var features = tower_features(observation, 0u);
    var logits: array<vec4f, ACTOR_BLOCKS>;
    for (var i = 0u; i < ACTOR_BLOCKS; i++) {
      logits[i] = head_block(&features, i);
    }
#if SEPARATE
    let value = value_of(observation);
#else
    let value = head_block(&features, ACTOR_BLOCKS).x;
#end
    var largest = logits[0][0];
    for (var k = 1u; k < ACTIONS; k++) {
      largest = max(largest, logits[k / 4u][k % 4u]);
    }
    var total = 0.0;
    for (var k = 0u; k < ACTIONS; k++) {
      total += math_exp(logits[k / 4u][k % 4u] - largest);
    }
    let threshold = random_uniform(random4(scalars.seed, STREAM_ACTION, step, env).x) * total;
    var action = ACTIONS - 1u;
    var cumulative = 0.0;
    for (var k = 0u; k < ACTIONS; k++) {
      cumulative += math_exp(logits[k / 4u][k % 4u] - largest);
      if (cumulative > threshold) {
        action = k;
        break;
      }
    }
    let log_probability = logits[action / 4u][action % 4u] - (math_log(total) + largest);

#if CUSTOM_REWARD
    let previous = state;
#end
    let outcome = env_step(&state, action);
#if CUSTOM_REWARD
    let reward = step_reward(previous, f32(action), state);
#else
    let reward = outcome.reward;
#end
    episode_return += reward;
    environment_return += outcome.reward;
    length += 1u;
    let terminated = outcome.terminated != 0u;
    let truncated = !terminated && length >= MAX_EPISODE_STEPS;
    var final_value = 0.0;
#if BOOTSTRAP
    if (truncated) {
      final_value = value_of(env_observe(&state));
    }
#end
    transitions[ACTION + row] = action;
    transitions[LOG_PROBABILITY + row] = bitcast<u32>(log_probability);
    transitions[VALUE + row] = bitcast<u32>(value);
    transitions[REWARD + row] = bitcast<u32>(reward);
    transitions[ENDED + row] = select(0u, 1u, terminated) | select(0u, 2u, truncated);
    transitions[FINAL_VALUE + row] = bitcast<u32>(final_value);
    if (terminated || truncated) {
      ended_episodes += 1u;
      ended_return += episode_return;
      ended_environment_return += environment_return;
      ended_length += length;
      episode_return = 0.0;
      environment_return = 0.0;
      length = 0u;
      state = env_reset(random4(scalars.seed, STREAM_RESET, step + 1u, env));
    }
  }
  if (end == STEPS) {
    transitions[VALUE + TRANSITIONS + env] = bitcast<u32>(value_of(env_observe(&state)));
  }

  for (var i = 0u; i < STATE_SIZE; i++) {
    environments[env * STATE_SIZE + i] = state[i];
  }
  episodes[episode + EPISODE_RETURN] = bitcast<u32>(episode_return);
  episodes[episode + EPISODE_ENVIRONMENT_RETURN] = bitcast<u32>(environment_return);
  episodes[episode + EPISODE_LENGTH] = length;
  episodes[episode + ENDED_EPISODES] = ended_episodes;
  episodes[episode + ENDED_RETURN] = bitcast<u32>(ended_return);
  episodes[episode + ENDED_ENVIRONMENT_RETURN] = bitcast<u32>(ended_environment_return);
  episodes[episode + ENDED_LENGTH] = ended_length;
}
