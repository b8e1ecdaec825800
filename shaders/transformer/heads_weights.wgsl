#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// Gradients of the biases, sums of what was projected's, and of the heads' norm scales, sums of dy x / rms over tokens and
// heads. The rows are split into SPLITS ranges as in matmul/linear_weight_gradient.wgsl. Thread per range and vec4.

@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(RAW_BINDING) var<storage, read> raw: array<vec4f>;
// Behind the norm, and in front of it.
@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(PROJECTED_BINDING) var<storage, read> projected: array<vec4f>;
#if NORM
@group(0) @binding(INVERSES_BINDING) var<storage, read> inverses: array<f32>;
#end
@group(0) @binding(PARTIALS_BINDING) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linear_workgroup(group, groups) * WORKGROUP + lane;
  let split = at / COLUMNS;
  if (split >= SPLITS) {
    return;
  }
  let column = at % COLUMNS;
  let range = (batch.tokens + SPLITS - 1u) / SPLITS;
  let end = min((split + 1u) * range, batch.tokens);
  let to = split * PARTIAL_LENGTH + batch.layer;
  var sum = vec4f();
  if (column < BIAS_COLUMNS) {
    for (var row = split * range; row < end; row++) {
      sum += projected[row * UNITS * HEAD_SIZE + column];
    }
    partials[to + BIAS_AT + column] = sum;
    return;
  }
#if NORM
  let c = (column - BIAS_COLUMNS) % HEAD_SIZE;
  let keys = column - BIAS_COLUMNS >= HEAD_SIZE;
  let first = select(0u, HEADS, keys);
  let last = select(HEADS, TURNED, keys);
  for (var row = split * range; row < end; row++) {
    for (var unit = first; unit < last; unit++) {
      var x = raw[row * RAW_STRIDE + unit * HEAD_SIZE + c];
#if BIAS
      x += parameters[batch.layer + BIAS_AT + unit * HEAD_SIZE + c];
#end
      sum += gradient[(row * UNITS + unit) * HEAD_SIZE + c] * x * inverses[row * TURNED + unit];
    }
  }
  partials[to + select(QUERY_SCALE, KEY_SCALE, keys) + c] = sum;
#end
}
