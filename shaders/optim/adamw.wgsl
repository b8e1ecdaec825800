#include "common/scalars.wgsl"
#include "common/workgroup.wgsl"

// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2) over the whole parameter arena, with the
// global-norm clip min(1, limit / (norm + 1e-6)) inside; epsilon outside the root. Or RMSprop (Tieleman and Hinton
// 2012), epsilon inside the root where INSIDE_ROOT. The first threads also add the minibatch's loss terms and norm to
// the update's metrics. With KL_STOP no more steps are taken once a minibatch's KL is above its limit. Twin:
// src/kernels/reference/optimizer.ts.

@group(0) @binding(1) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read> squares: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> moments: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> metrics: array<f32>;

#include "common/metrics.wgsl"

const TERM_RANGES: u32 = 16u;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linear_workgroup(group, groups) * WORKGROUP + lane;
  // Every thread adds the same numbers in the same order.
  var sums = vec4f();
  for (var i = 0u; i < SQUARES / 4u; i++) {
    sums += squares[i];
  }
  let norm = sqrt((sums.x + sums.y) + (sums.z + sums.w));
#if KL_STOP
  // Read and written by turns, so that no thread reads what another one writes.
  let turn = scalars.statistics_row & 1u;
  let before = scalars.statistics_row > 0u && metrics[METRIC_STOPPED + turn] != 0.0;
  var kl = 0.0;
  for (var range = 0u; range < TERM_RANGES; range++) {
    let at = SQUARES + range * 5u + METRIC_KL;
    kl += squares[at / 4u][at % 4u];
  }
  let far = kl / f32(BATCH) > scalars.kl_limit;
#if STOP_BEFORE_STEP
  let stopped = before || far;
#else
  let stopped = before;
#end
  if (thread == METRIC_GRADIENT_NORM + 1u) {
    metrics[METRIC_STOPPED + 1u - turn] = select(0.0, 1.0, before || far);
  }
  if (stopped) {
    return;
  }
#end
  let scale = min(1.0, scalars.max_gradient_norm / (norm + 1e-6));
  for (var n = 0u; n < VECTORS; n++) {
    let at = n * SQUARES + thread;
    if (thread < SQUARES && at < LENGTH / 4u) {
      let gradient = gradients[at] * scale;
#if RMSPROP
      let square = scalars.beta2 * moments[LENGTH / 4u + at] + scalars.beta2_complement * (gradient * gradient);
      moments[LENGTH / 4u + at] = square;
      let decayed = parameters[at] * (1.0 - scalars.learning_rate * scalars.weight_decay);
#if INSIDE_ROOT
      parameters[at] = decayed - scalars.learning_rate * gradient / sqrt(square + scalars.epsilon);
#else
      parameters[at] = decayed - scalars.learning_rate * gradient / (sqrt(square) + scalars.epsilon);
#end
#else
      let first = scalars.beta1 * moments[at] + scalars.beta1_complement * gradient;
      let second = scalars.beta2 * moments[LENGTH / 4u + at] + scalars.beta2_complement * (gradient * gradient);
      moments[at] = first;
      moments[LENGTH / 4u + at] = second;
      let corrected1 = first / scalars.correction1;
      let corrected2 = second / scalars.correction2;
      let decayed = parameters[at] * (1.0 - scalars.learning_rate * scalars.weight_decay);
      parameters[at] = decayed - scalars.learning_rate * corrected1 / (sqrt(corrected2) + scalars.epsilon);
#end
    }
  }
  if (thread < METRIC_GRADIENT_NORM) {
    var term = 0.0;
    for (var range = 0u; range < TERM_RANGES; range++) {
      let at = SQUARES + range * 5u + thread;
      term += squares[at / 4u][at % 4u];
    }
    metrics[thread] += term;
  }
  if (thread == METRIC_GRADIENT_NORM) {
    metrics[METRIC_GRADIENT_NORM] += norm;
#if KL_STOP
    metrics[METRIC_STEPS] += 1.0;
#end
  }
}
