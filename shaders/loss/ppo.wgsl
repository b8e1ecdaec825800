#include "common/math.wgsl"
#include "common/transitions.wgsl"

// PPO's clipped surrogate, entropy bonus and value loss (Schulman et al. 2017, equations 7 and 9), forward and
// backward for four samples at once. Outputs come in head_output, gradients of the mean loss leave in
// head_gradient; `live` is 0 where a block reaches beyond the minibatch.

// Sums over the live samples of: surrogate loss, entropy, k3 KL, clipped fraction.
fn policy_loss(rows: vec4u, live: vec4f) -> vec4f {
  let action = transition_bits(ACTION, rows);
  let old = transition(LOG_PROBABILITY, rows);
  let statistic = statistics[scalars.statistics_row];
  let advantage = (transition(ADVANTAGE, rows) - statistic.x) * statistic.y;
#if MASKED
  let mask = transition_bits(MASK, rows);
#for a in 0..ACTIONS
  let allowed{a} = ((mask >> vec4u({a}u)) & vec4u(1u)) == vec4u(1u);
  let logit{a} = select(vec4f(-1e8), head_output[{a}], allowed{a});
#end
#else
#for a in 0..ACTIONS
  let logit{a} = head_output[{a}];
#end
#end
  var largest = logit0;
#for a in 1..ACTIONS
  largest = max(largest, logit{a});
#end
  var total = vec4f();
#for a in 0..ACTIONS
  let exponential{a} = math_exp4(logit{a} - largest);
  total += exponential{a};
#end
  let log_total = math_log4(total) + largest;
  var log_probability = vec4f();
  var entropy = vec4f();
#for a in 0..ACTIONS
  let log_p{a} = logit{a} - log_total;
#if MASKED
  let p{a} = select(vec4f(), exponential{a} / total, allowed{a});
#else
  let p{a} = exponential{a} / total;
#end
  log_probability = select(log_probability, log_p{a}, action == vec4u({a}u));
  entropy -= p{a} * log_p{a};
#end

  let log_ratio = log_probability - old;
  let ratio = math_exp4(log_ratio);
  let unclipped = -advantage * ratio;
  let clipped = -advantage * clamp(ratio, vec4f(1.0 - scalars.clip), vec4f(1.0 + scalars.clip));
  let slope = select(vec4f(), unclipped, unclipped >= clipped);
  let weight = live / f32(BATCH);
#for a in 0..ACTIONS
  let chosen{a} = select(vec4f(), vec4f(1.0), action == vec4u({a}u));
  let surrogate{a} = slope * (chosen{a} - p{a});
  let bonus{a} = scalars.entropy_coefficient * p{a} * (log_p{a} + entropy);
#if MASKED
  head_gradient[{a}] = select(vec4f(), weight * (surrogate{a} + bonus{a}), allowed{a});
#else
  head_gradient[{a}] = weight * (surrogate{a} + bonus{a});
#end
#end
  return vec4f(
    dot(max(unclipped, clipped), live),
    dot(entropy, live),
    dot((ratio - 1.0) - log_ratio, live),
    dot(select(vec4f(), vec4f(1.0), abs(ratio - 1.0) > vec4f(scalars.clip)), live),
  );
}

// Sum over the live samples of half the squared error, or of the larger one where the value's change is clipped.
fn value_loss(rows: vec4u, live: vec4f) -> f32 {
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
  head_gradient[VALUE_ROW] = slope * live * (scalars.value_coefficient / f32(BATCH));
  return 0.5 * dot(loss, live);
}
