#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"

// What the softmax over the allowed ids needs to know of a row of logits that comes in chunks of CHUNK ids, in order:
// the running maximum and sums (Milakov and Gimelshein 2018, arXiv 1805.02867). Thread per prediction.

// Two vec4u a prediction; the second word is the id.
@group(0) @binding(PREDICTIONS_BINDING) var<storage, read> predictions: array<vec4u>;
@group(0) @binding(ALLOWED_BINDING) var<storage, read> allowed: array<u32>;
@group(0) @binding(LOGITS_BINDING) var<storage, read> logits: array<f32>;
// (largest l, sum of e^(l - largest), sum of e^(l - largest) (l - largest), l of the id) of the chunks so far.
@group(0) @binding(SOFTMAX_BINDING) var<storage, read_write> softmax: array<vec4f>;
#if SCORE
// (log-probability, entropy); right after the last chunk.
@group(0) @binding(SCORES_BINDING) var<storage, read_write> scores: array<vec2f>;
#end

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
  let base = row * LOGITS_WIDTH;
  let count = min(CHUNK, VOCABULARY - batch.chunk);
  var so_far = vec4f(-3e38, 0.0, 0.0, 0.0);
  if (batch.chunk > 0u) {
    so_far = softmax[row];
  }
  var largest = so_far.x;
  for (var k = 0u; k < count; k++) {
    if (is_allowed(batch.chunk + k)) {
      largest = max(largest, logits[base + k]);
    }
  }
  let moved = so_far.x - largest;
  let shrink = math_exp(moved);
  var total = shrink * so_far.y;
  var weighted = shrink * (so_far.z + so_far.y * moved);
  for (var k = 0u; k < count; k++) {
    if (is_allowed(batch.chunk + k)) {
      let shifted = logits[base + k] - largest;
      let e = math_exp(shifted);
      total += e;
      weighted += e * shifted;
    }
  }
  let id = predictions[2u * row].y;
  var own = so_far.w;
  if (id >= batch.chunk && id - batch.chunk < count) {
    own = logits[base + id - batch.chunk];
  }
  softmax[row] = vec4f(largest, total, weighted, own);
#if SCORE
  let log_total = math_log(total);
  let log_probability = own - largest - log_total;
  scores[row] = vec2f(
    select(-bitcast<f32>(0x7f7fffffu), log_probability, is_allowed(id)),
    log_total - weighted / total,
  );
#end
}
