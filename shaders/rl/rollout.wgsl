#include "common/scalars.wgsl"
#include "common/math.wgsl"
#include "common/philox.wgsl"
#include "common/normal.wgsl"
#include "common/network.wgsl"

// `step_count` steps of every environment in one dispatch, a thread per environment: observe, policy and value,
// sample, step, reward, and a new episode where one ended. Exactly, for environment `env` at global step
// g = update x T + t (the CPU engine does the same):
//
// - action: inverse CDF, of factor f with u = uniform(word f mod 4 of random4(seed, STREAM_ACTION, g, env + 2^20 floor(f / 4))):
//   the first k with e_0 + ... + e_k > u x sum(e), e = exp(logit - largest logit), 0 where the mask forbids it; the
//   last likely one where rounding leaves none. Or of dimension d mean + deviation x the normal number of two words of
//   random4(seed, STREAM_ACTION, g, env + 2^20 floor(d / 2)), the first two for an even d.
// - the reward of a transition is step_reward(s, a, next) with `next` before any reset, or the environment's own.
// - truncated: not terminated, and the episode has reached MAX_EPISODE_STEPS. FINAL_VALUE is then V(next) where
//   the run bootstraps, else 0.
// - a new episode starts from env_reset(random4(seed, STREAM_RESET, g + 1, env)); the first ones of a run from
//   step 0 of that stream.
// - whole episodes (WHOLE): everyone starts anew at step 0 of the update from env_reset(random4(seed, STREAM_RESET,
//   update x T, floor(env / GROUP))) and plays once, at most T steps; the rows behind its end have weight 0.
// - after the last step of an update, V of the current observation is stored as row T of VALUE.

@group(0) @binding(1) var<storage, read> parameters: array<mat4x4f>;
@group(0) @binding(2) var<storage, read_write> environments: array<f32>;
@group(0) @binding(3) var<storage, read_write> episodes: array<u32>;
@group(0) @binding(4) var<storage, read_write> observations: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> transitions: array<u32>;

#if NORMALIZE_OBSERVATIONS
@group(0) @binding(6) var<storage, read> normalization: array<f32>;
@group(0) @binding(7) var<storage, read_write> raw_observations: array<f32>;
#include "common/normalization.wgsl"
#end

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
#if COSTED
#include "cost"
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
#if WHOLE
  if (fresh) {
    state = env_reset(random4(scalars.seed, STREAM_RESET, scalars.base_step, env / GROUP));
    episode_return = 0.0;
    environment_return = 0.0;
    length = 0u;
  }
#end
#if COSTED
  var episode_cost = bitcast<f32>(episodes[episode + EPISODE_COST]);
  var ended_cost = select(bitcast<f32>(episodes[episode + ENDED_COST]), 0.0, fresh);
#if WHOLE
  episode_cost = select(episode_cost, 0.0, fresh);
#end
#end
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
#if WHOLE
    if (ended_episodes > 0u && !final_state) {
      for (; t < end; t++) {
        let row = t * ENVS + env;
        transitions[ACTION + row] = 0u;
        transitions[MASK + row] = 0xffffffffu;
        transitions[LOG_PROBABILITY + row] = 0u;
        transitions[VALUE + row] = 0u;
        transitions[REWARD + row] = 0u;
        transitions[ENDED + row] = 1u;
        transitions[FINAL_VALUE + row] = 0u;
        transitions[SHARE + row] = 0u;
#if COSTED
        transitions[COST + row] = 0u;
        transitions[COST_VALUE + row] = 0u;
        transitions[FINAL_COST_VALUE + row] = 0u;
#end
      }
      break;
    }
#end
    var observation = env_observe(&state);
#if NORMALIZE_OBSERVATIONS
    if (!last && !final_state) {
      for (var i = 0u; i < OBSERVATION_SIZE; i++) {
        raw_observations[(t * ENVS + env) * OBSERVATION_SIZE + i] = observation[i];
      }
    }
    for (var i = 0u; i < OBSERVATION_SIZE; i++) {
      observation[i] = normalize(observation[i], normalization[NORMAL_MEAN + i], normalization[NORMAL_VARIANCE + i]);
    }
#end
    let outputs = network(observation);
    let value = outputs[VALUE_ROW / 4u][VALUE_ROW % 4u];
#if COSTED
    let cost_value = outputs[(VALUE_ROW + 1u) / 4u][(VALUE_ROW + 1u) % 4u];
#end
    if (last) {
      transitions[VALUE + TRANSITIONS + env] = bitcast<u32>(value);
#if COSTED
      transitions[COST_VALUE + TRANSITIONS + env] = bitcast<u32>(cost_value);
#end
      break;
    }
    let step = scalars.base_step + t;
    var reset_step = step;
    var reset = final_state;
    if (final_state) {
      transitions[FINAL_VALUE + (t - 1u) * ENVS + env] = bitcast<u32>(value);
#if COSTED
      transitions[FINAL_COST_VALUE + (t - 1u) * ENVS + env] = bitcast<u32>(cost_value);
#end
      final_state = false;
    } else {
      let row = t * ENVS + env;
      store_observation(observation, row);
#if MASKED
      let mask = env_mask(&state);
      transitions[MASK + row] = mask;
#end
#if GAUSSIAN
      var log_probability = 0.0;
#if VECTOR
      var action: array<f32, DIMENSIONS>;
#end
#for d in 0..DIMENSIONS
      let words{d} = random4(scalars.seed, STREAM_ACTION, step, env + ({d/2}u << 20u));
      let noise{d} = random_normal(words{d}[2u * ({d}u % 2u)], words{d}[2u * ({d}u % 2u) + 1u]);
      let log_std{d} = outputs[(DIMENSIONS + {d}u) / 4u][(DIMENSIONS + {d}u) % 4u];
      let sampled{d} = outputs[{d/4}][{d%4}] + math_exp(log_std{d}) * noise{d};
      log_probability += -0.5 * (noise{d} * noise{d}) - log_std{d} - 0.91893853;
      transitions[action_section({d}u) + row] = bitcast<u32>(sampled{d});
#if VECTOR
      action[{d}] = clamp(sampled{d}, LOW, HIGH);
#else
      let action = clamp(sampled{d}, LOW, HIGH);
#end
#end
#else
      var action = 0u;
      var log_probability = 0.0;
      var radix = 1u;
#for f in 0..FACTORS
      {
        var e: array<f32, END_{f} - FIRST_{f}>;
        var largest = -1e9;
        for (var k = FIRST_{f}; k < END_{f}; k++) {
          var z = outputs[k / 4u][k % 4u];
#if MASKED
          z = select(-1e8, z, ((mask >> k) & 1u) == 1u);
#end
          e[k - FIRST_{f}] = z;
          largest = max(largest, z);
        }
        var total = 0.0;
        for (var k = 0u; k < END_{f} - FIRST_{f}; k++) {
#if MASKED
          e[k] = select(0.0, math_exp(e[k] - largest), e[k] > -1e7);
#else
          e[k] = math_exp(e[k] - largest);
#end
          total += e[k];
        }
        let words = random4(scalars.seed, STREAM_ACTION, step, env + ({f/4}u << 20u));
        let threshold = random_uniform(words[{f%4}]) * total;
        var choice = 0u;
        var cumulative = 0.0;
        for (var k = 0u; k < END_{f} - FIRST_{f}; k++) {
          if (e[k] > 0.0 && cumulative <= threshold) {
            choice = k;
            cumulative += e[k];
          }
        }
        let at = FIRST_{f} + choice;
        log_probability += outputs[at / 4u][at % 4u] - (math_log(total) + largest);
        action += radix * choice;
        radix *= END_{f} - FIRST_{f};
      }
#end
      transitions[ACTION + row] = action;
#end

#if VECTOR
      let taken = action;
#else
      let taken = f32(action);
#end
#if KEEPS_PREVIOUS
      let previous = state;
#end
      let outcome = env_step(&state, action);
#if CUSTOM_REWARD
      let reward = step_reward(previous, taken, state);
#else
      let reward = outcome.reward;
#end
      episode_return += reward;
      environment_return += outcome.reward;
      length += 1u;
      let terminated = outcome.terminated != 0u;
      let truncated = !terminated && length >= MAX_EPISODE_STEPS;
#if COSTED
      let cost = step_cost(previous, taken, state);
      episode_cost += cost;
      transitions[COST + row] = bitcast<u32>(cost);
      transitions[COST_VALUE + row] = bitcast<u32>(cost_value);
      transitions[FINAL_COST_VALUE + row] = 0u;
#end
#if WHOLE
      transitions[SHARE + row] = bitcast<u32>(1.0);
#end
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
#if COSTED
        ended_cost += episode_cost;
        episode_cost = 0.0;
#end
        episode_return = 0.0;
        environment_return = 0.0;
        length = 0u;
      }
      final_state = truncated && BOOTSTRAP;
      reset = (terminated || truncated) && !final_state;
      reset_step = step + 1u;
      t++;
    }
    if (reset && !WHOLE) {
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
#if COSTED
  episodes[episode + EPISODE_COST] = bitcast<u32>(episode_cost);
  episodes[episode + ENDED_COST] = bitcast<u32>(ended_cost);
#end
}
