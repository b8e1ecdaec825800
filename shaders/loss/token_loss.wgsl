#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"

// The token loss, and its gradient by a chunk of CHUNK logits, which takes their place; thread per prediction. Meaning and
// sources: src/kernels/token-objective.ts.

// Per prediction: (row, id, weight, advantage), (old log-probability, importance, reference log-probability, .); floats by their bits.
@group(0) @binding(PREDICTIONS_BINDING) var<storage, read> predictions: array<vec4u>;
@group(0) @binding(ALLOWED_BINDING) var<storage, read> allowed: array<u32>;
// Of all chunks: loss/token_softmax.wgsl.
@group(0) @binding(SOFTMAX_BINDING) var<storage, read> softmax: array<vec4f>;
@group(0) @binding(LOGITS_BINDING) var<storage, read_write> logits: array<f32>;
// Per prediction, times its weight: loss, entropy, k3 KL, clipped.
@group(0) @binding(TERMS_BINDING) var<storage, read_write> terms: array<vec4f>;
// d logits . logits of this chunk
@group(0) @binding(PROJECTIONS_BINDING) var<storage, read_write> projections: array<f32>;

#include "loss/allowed.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = linear_workgroup(group, groups) * WORKGROUP + lane;
  if (row >= batch.predictions) {
    return;
  }
  let head = predictions[2u * row];
  let base = row * LOGITS_WIDTH;
  let sums = softmax[row];
  let largest = sums.x;
  let log_total = math_log(sums.y);
  let entropy = log_total - sums.z / sums.y;
  let id = head.y;
  let log_probability = sums.w - largest - log_total;
  let weight = bitcast<f32>(head.z);
  let advantage = bitcast<f32>(head.w);
  let tail = bitcast<vec4f>(predictions[2u * row + 1u]);
  let importance = tail.y;
  var loss = -advantage * log_probability;
  var slope = -advantage;
  var kl = 0.0;
  var clipped = 0.0;
  let bonus = batch.entropy_coefficient;
  if (batch.objective != 0u) {
    let raw = log_probability - tail.x;
    let log_ratio = clamp(raw, -20.0, 20.0);
    let inside = select(0.0, 1.0, raw == log_ratio);
    let ratio = math_exp(log_ratio);
    let clipped_ratio = clamp(ratio, 1.0 - batch.clip_low, 1.0 + batch.clip_high);
    kl = (ratio - 1.0) - log_ratio;
    if (batch.objective == 1u) {
      let unclipped = -advantage * ratio;
      let bound = -advantage * clipped_ratio;
      loss = max(unclipped, bound);
      slope = unclipped * inside;
      if (bound > unclipped) {
        clipped = 1.0;
        slope = 0.0;
      }
      let limit = -advantage * batch.dual_clip;
      if (batch.dual_clip > 0.0 && advantage < 0.0 && loss > limit) {
        loss = limit;
        slope = 0.0;
      }
    } else if (batch.objective == 2u) {
      slope = -advantage * clipped_ratio;
      loss = slope * log_probability;
      clipped = select(0.0, 1.0, clipped_ratio != ratio);
    } else {
      let tau = select(batch.gate_negative, batch.gate_positive, advantage > 0.0);
      let gate = 1.0 / (1.0 + math_exp(-tau * (ratio - 1.0)));
      loss = -advantage * 4.0 * gate / tau;
      slope = -advantage * 4.0 * gate * (1.0 - gate) * ratio * inside;
    }
  }
  loss *= importance;
  slope *= importance;
  // What label smoothing takes from the token and gives to every allowed id.
  let taken = batch.label_smoothing * slope;
  let given = batch.smoothing_share * slope;
  loss -= taken * log_probability;
  if (batch.kl_coefficient != 0.0) {
    let raw = log_probability - tail.z;
    let d = clamp(raw, -20.0, 20.0);
    var value = d;
    var towards = 1.0;
    if (batch.estimator == 1u) {
      value = 0.5 * d * d;
      towards = d;
    } else if (batch.estimator >= 2u) {
      let inverse = math_exp(-d);
      value = (inverse - 1.0) + d;
      towards = select(d, 1.0 - inverse, batch.estimator == 2u);
    }
    loss += batch.kl_coefficient * value;
    slope += batch.kl_coefficient * towards * select(0.0, 1.0, raw == d);
  }
  var projection = 0.0;
  var evenly = 0.0;
  for (var k = 0u; k < LOGITS_WIDTH; k++) {
    let at = batch.chunk + k;
    var d = 0.0;
    if (k < CHUNK && at < VOCABULARY && is_allowed(at)) {
      let shifted = logits[base + k] - largest;
      let log_p = shifted - log_total;
      let p = math_exp(log_p);
      evenly += log_p;
      let smoothing = given - select(0.0, taken, at == id);
      d = weight * (slope * (select(0.0, 1.0, at == id) - p) + smoothing + bonus * p * (log_p + entropy));
      // The gradients of a row add up to 0 over all chunks, so the shift may stay.
      projection += d * shifted;
    }
    logits[base + k] = d;
  }
  projections[row] = projection;
  // The last chunk comes first.
  var term = vec4f(loss - bonus * entropy, entropy, kl, clipped);
  if (batch.chunk + CHUNK < VOCABULARY) {
    term = vec4f();
  }
  term.x += given * evenly;
  if (batch.chunk + CHUNK < VOCABULARY) {
    terms[row] += weight * term;
  } else {
    terms[row] = weight * term;
  }
}
