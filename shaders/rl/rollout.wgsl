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

const LAYER_WEIGHT = array<u32, LAYERS>(
#for l in 0..LAYERS
  WEIGHT_{l},
#end
);
const LAYER_BIAS = array<u32, LAYERS>(
#for l in 0..LAYERS
  BIAS_{l},
#end
);
const LAYER_STRIDE = array<u32, LAYERS>(
#for l in 0..LAYERS
  STRIDE_{l},
#end
);
const LAYER_INPUTS = array<u32, LAYERS>(
#for l in 0..LAYERS
  INPUTS_{l},
#end
);
const LAYER_OUTPUTS = array<u32, LAYERS>(
#for l in 0..LAYERS
  OUTPUTS_{l},
#end
);

// The heads' outputs in blocks of four: logits from row 0, the value in VALUE_ROW. Loops rather than calls: every call is a copy of the code for the compiler.
fn network(observation: array<f32, OBSERVATION_SIZE>) -> array<vec4f, HEAD_BLOCKS> {
  var outputs: array<vec4f, HEAD_BLOCKS>;
  for (var tower = 0u; tower < TOWERS; tower++) {
    var a: Features;
    var b: Features;
    for (var i = 0u; i < OBSERVATION_SIZE; i++) {
      a[i / 4u][i % 4u] = observation[i];
    }
    for (var l = 0u; l < LAYERS; l++) {
      let base = tower * LAYER_STRIDE[l];
      dense_tanh(&a, &b, LAYER_WEIGHT[l] + base, LAYER_BIAS[l] + base, LAYER_INPUTS[l], LAYER_OUTPUTS[l]);
      a = b;
    }
    let first = select(0u, ACTOR_BLOCKS, tower == 1u);
    let end = select(HEAD_BLOCKS, ACTOR_BLOCKS, TOWERS == 2u && tower == 0u);
    for (var block = first; block < end; block++) {
      var z = bias_at(HEAD_BIAS + block * 4u);
      for (var k = 0u; k < HEAD_INPUTS; k++) {
        z += a[k] * parameters[HEAD_WEIGHT / 16u + block * HEAD_INPUTS + k];
      }
      outputs[block] = z;
    }
  }
  return outputs;
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
  // The state is the last one of a truncated episode, and only its value is still wanted.
  var final_state = false;
  var t = scalars.first_step;
  loop {
    let last = t == end && !final_state;
    if (last && end != STEPS) {
      break;
    }
    let observation = env_observe(&state);
    let outputs = network(observation);
    let value = outputs[VALUE_ROW / 4u][VALUE_ROW % 4u];
    if (last) {
      transitions[VALUE + TRANSITIONS + env] = bitcast<u32>(value);
      break;
    }
    let step = scalars.base_step + t;
    var reset_step = step;
    var reset = final_state;
    if (final_state) {
      transitions[FINAL_VALUE + (t - 1u) * ENVS + env] = bitcast<u32>(value);
      final_state = false;
    } else {
      let row = t * ENVS + env;
      store_observation(observation, row);
      var largest = outputs[0][0];
      for (var k = 1u; k < ACTIONS; k++) {
        largest = max(largest, outputs[k / 4u][k % 4u]);
      }
      var total = 0.0;
      for (var k = 0u; k < ACTIONS; k++) {
        total += math_exp(outputs[k / 4u][k % 4u] - largest);
      }
      let threshold = random_uniform(random4(scalars.seed, STREAM_ACTION, step, env).x) * total;
      var action = 0u;
      var cumulative = math_exp(outputs[0][0] - largest);
      while (action < ACTIONS - 1u && cumulative <= threshold) {
        action++;
        cumulative += math_exp(outputs[action / 4u][action % 4u] - largest);
      }
      let log_probability = outputs[action / 4u][action % 4u] - (math_log(total) + largest);

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
      transitions[ACTION + row] = action;
      transitions[LOG_PROBABILITY + row] = bitcast<u32>(log_probability);
      transitions[VALUE + row] = bitcast<u32>(value);
      transitions[REWARD + row] = bitcast<u32>(reward);
      transitions[ENDED + row] = select(0u, 1u, terminated) | select(0u, 2u, truncated);
      transitions[FINAL_VALUE + row] = 0u;
      if (terminated || truncated) {
        ended_episodes += 1u;
        ended_return += episode_return;
        ended_environment_return += environment_return;
        ended_length += length;
        episode_return = 0.0;
        environment_return = 0.0;
        length = 0u;
      }
      final_state = truncated && BOOTSTRAP;
      reset = (terminated || truncated) && !final_state;
      reset_step = step + 1u;
      t++;
    }
    if (reset) {
      state = env_reset(random4(scalars.seed, STREAM_RESET, reset_step, env));
    }
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
