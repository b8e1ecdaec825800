#include "common/math.wgsl"
#include "common/transitions.wgsl"

// The policy-gradient loss, forward and backward for four samples at once: PPO's clipped surrogate (Schulman et al.
// 2017, equation 7) or the plain -A log pi (SCORE), entropy bonus and value loss (equation 9). Outputs come in
// head_output, gradients of the mean loss leave in head_gradient; `inside` is 0 where a block reaches beyond
// the minibatch. Reference: `ppoRowLoss` in src/rl/ppo.ts and its siblings.

#if CUSTOM_LOSS
#include "loss"

// What value_loss needs of the policy; only where one tower has both.
var<private> seen_log_probability: vec4f;
var<private> seen_entropy: vec4f;

// A person's loss of four rows, and its derivatives by log-probability, value and entropy. A tower that does not have
// one of the three gets that from when the row was collected: `rl/separable-loss.ts` sees to it that this is right.
fn custom_loss(rows: vec4u, inside: vec4f, log_probability: vec4f, value: vec4f, entropy: vec4f) -> mat4x4f {
  let old = transition(LOG_PROBABILITY, rows);
  let statistic = statistics[scalars.statistics_row];
  let advantage = (transition(ADVANTAGE, rows) - statistic.x) * statistic.y;
  let old_value = transition(VALUE, rows);
  let target_value = transition(RETURN, rows);
#if WHOLE
  let counts = inside * transition(SHARE, rows) > vec4f();
#else
  let counts = inside > vec4f();
#end
  var result = mat4x4f();
#for c in 0..4
  if (counts[{c}]) {
    result[{c}] = row_loss(array<f32, 8>(
      log_probability[{c}], old[{c}], advantage[{c}], value[{c}], old_value[{c}], target_value[{c}], entropy[{c}], 1.0,
    ));
  }
#end
  return transpose(result);
}
#end

// Sums over the samples, by their weights, of: surrogate loss, entropy, k3 KL, clipped fraction.
fn policy_loss(rows: vec4u, inside: vec4f) -> vec4f {
#if WHOLE
  let live = inside * transition(SHARE, rows);
#else
  let live = inside;
#end
  let old = transition(LOG_PROBABILITY, rows);
  let statistic = statistics[scalars.statistics_row];
  let advantage = (transition(ADVANTAGE, rows) - statistic.x) * statistic.y;
#if GAUSSIAN
  var log_probability = vec4f();
  var entropy = vec4f();
#for d in 0..DIMENSIONS
  let log_std{d} = head_output[DIMENSIONS + {d}u];
  let inverse_std{d} = math_exp4(-log_std{d});
  let deviation{d} = (transition(action_section({d}u), rows) - head_output[{d}]) * inverse_std{d};
  log_probability += -0.5 * (deviation{d} * deviation{d}) - log_std{d} - 0.91893853;
  entropy += log_std{d} + 1.4189385;
#end
#else
  var choices = transition_bits(ACTION, rows);
  var log_probability = vec4f();
  var entropy = vec4f();
#if MASKED
  let mask = transition_bits(MASK, rows);
#end
#for f in 0..FACTORS
#if FACTORED
  let choice{f} = choices % vec4u(END_{f} - FIRST_{f}) + FIRST_{f};
  choices /= vec4u(END_{f} - FIRST_{f});
#else
  let choice{f} = choices;
#end
#for a in FIRST_{f}..END_{f}
#if MASKED
  let allowed{a} = ((mask >> vec4u({a}u)) & vec4u(1u)) == vec4u(1u);
  let logit{a} = select(vec4f(-1e8), head_output[{a}], allowed{a});
#else
  let logit{a} = head_output[{a}];
#end
#end
  var largest{f} = vec4f(-1e9);
#for a in FIRST_{f}..END_{f}
  largest{f} = max(largest{f}, logit{a});
#end
  var total{f} = vec4f();
#for a in FIRST_{f}..END_{f}
  let exponential{a} = math_exp4(logit{a} - largest{f});
  total{f} += exponential{a};
#end
  let log_total{f} = math_log4(total{f}) + largest{f};
  var entropy{f} = vec4f();
#for a in FIRST_{f}..END_{f}
  let log_p{a} = logit{a} - log_total{f};
#if MASKED
  let p{a} = select(vec4f(), exponential{a} / total{f}, allowed{a});
#else
  let p{a} = exponential{a} / total{f};
#end
  log_probability += select(vec4f(), log_p{a}, choice{f} == vec4u({a}u));
  entropy{f} -= p{a} * log_p{a};
#end
  entropy += entropy{f};
#end
#end

  let log_ratio = log_probability - old;
  let ratio = math_exp4(log_ratio);
#if CUSTOM_LOSS
  seen_log_probability = log_probability;
  seen_entropy = entropy;
  var seen_value = transition(VALUE, rows);
  if (TOWERS == 1u) {
    seen_value = head_output[VALUE_ROW];
  }
  let custom = custom_loss(rows, inside, log_probability, seen_value, entropy);
  let surrogate = custom[0];
  let slope = custom[1];
  let entropy_slope = custom[3];
#else
  let entropy_slope = vec4f(-scalars.entropy_coefficient);
#if SCORE
  let surrogate = -advantage * log_probability;
  let slope = -advantage;
#else
  let unclipped = -advantage * ratio;
  let clipped = -advantage * clamp(ratio, vec4f(1.0 - scalars.clip), vec4f(1.0 + scalars.clip_high));
  var surrogate = max(unclipped, clipped);
  var slope = select(vec4f(), unclipped, unclipped >= clipped);
  if (scalars.dual_clip > 0.0) {
    let bound = -advantage * scalars.dual_clip;
    let bounded = (advantage < vec4f()) & (surrogate > bound);
    surrogate = select(surrogate, bound, bounded);
    slope = select(slope, vec4f(), bounded);
  }
#end
#end
  let weight = live / f32(BATCH);
#if GAUSSIAN
#for d in 0..DIMENSIONS
  head_gradient[{d}] = weight * slope * deviation{d} * inverse_std{d};
  head_gradient[DIMENSIONS + {d}u] = weight * (slope * (deviation{d} * deviation{d} - 1.0) + entropy_slope);
#end
#else
#for f in 0..FACTORS
#for a in FIRST_{f}..END_{f}
  let chosen{a} = select(vec4f(), vec4f(1.0), choice{f} == vec4u({a}u));
  let towards{a} = slope * (chosen{a} - p{a});
  let bonus{a} = -entropy_slope * p{a} * (log_p{a} + entropy{f});
#if MASKED
  head_gradient[{a}] = select(vec4f(), weight * (towards{a} + bonus{a}), allowed{a});
#else
  head_gradient[{a}] = weight * (towards{a} + bonus{a});
#end
#end
#end
#end
  let outside = (ratio - 1.0 > vec4f(scalars.clip_high)) | (1.0 - ratio > vec4f(scalars.clip));
  return vec4f(
    dot(surrogate, live),
    dot(entropy, live),
    dot((ratio - 1.0) - log_ratio, live),
    dot(select(vec4f(), vec4f(1.0), outside), live),
  );
}

// Sum over the samples of half the squared error, or of the larger one where the value's change is clipped.
fn value_loss(rows: vec4u, inside: vec4f) -> f32 {
#if WHOLE
  let live = inside * transition(SHARE, rows);
#else
  let live = inside;
#end
  let value = head_output[VALUE_ROW];
  let target_value = transition(RETURN, rows);
  let error = value - target_value;
  var loss = error * error;
  var slope = error;
  if (scalars.value_clip >= 0.0) {
    let old = transition(VALUE, rows);
    let change = value - old;
    let clipped_error = old + clamp(change, vec4f(-scalars.value_clip), vec4f(scalars.value_clip)) - target_value;
    let clipped_loss = clipped_error * clipped_error;
    let inside = select(vec4f(), clipped_error, abs(change) <= vec4f(scalars.value_clip));
    slope = select(inside, error, loss >= clipped_loss);
    loss = max(loss, clipped_loss);
  }
#if CUSTOM_LOSS
  var log_probability = transition(LOG_PROBABILITY, rows);
  var entropy = vec4f();
  if (TOWERS == 1u) {
    log_probability = seen_log_probability;
    entropy = seen_entropy;
  }
  head_gradient[VALUE_ROW] = custom_loss(rows, inside, log_probability, value, entropy)[2] * live / f32(BATCH);
#else
  head_gradient[VALUE_ROW] = slope * live * (scalars.value_coefficient / f32(BATCH));
#end
#if COSTED
  let cost_error = head_output[VALUE_ROW + 1u] - transition(COST_RETURN, rows);
  head_gradient[VALUE_ROW + 1u] = cost_error * live * (scalars.value_coefficient / f32(BATCH));
  loss += cost_error * cost_error;
#end
  return 0.5 * dot(loss, live);
}
