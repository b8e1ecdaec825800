#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// Back through heads.wgsl, from where the attention's gradients were turned back to what was projected. Leaves
// d projected . projected by token and head for the norm in front (matmul/linear_input_gradient.wgsl).
// Thread per token and head of queries, keys and values.

@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(RAW_BINDING) var<storage, read> raw: array<vec4f>;
@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
#if NORM
@group(0) @binding(INVERSES_BINDING) var<storage, read> inverses: array<f32>;
#end
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(PROJECTIONS_BINDING) var<storage, read_write> projections: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linear_workgroup(group, groups) * WORKGROUP + lane;
  let row = at / UNITS;
  if (row >= batch.tokens) {
    return;
  }
  let unit = at % UNITS;
  let start = row * RAW_STRIDE + unit * HEAD_SIZE;
  var pull = 0.0;
#if NORM
  var inverse = 1.0;
  let scale = batch.layer + select(KEY_SCALE, QUERY_SCALE, unit < HEADS);
  if (unit < TURNED) {
    inverse = inverses[row * TURNED + unit];
    for (var c = 0u; c < HEAD_SIZE; c++) {
      var x = raw[start + c];
#if BIAS
      x += parameters[batch.layer + BIAS_AT + unit * HEAD_SIZE + c];
#end
      pull += dot(gradient[at * HEAD_SIZE + c] * parameters[scale + c], x);
    }
    pull *= inverse * inverse * inverse / f32(4u * HEAD_SIZE);
  }
#end
  var projection = 0.0;
  for (var c = 0u; c < HEAD_SIZE; c++) {
    var d = gradient[at * HEAD_SIZE + c];
#if NORM
    if (unit < TURNED) {
      var x = raw[start + c];
#if BIAS
      x += parameters[batch.layer + BIAS_AT + unit * HEAD_SIZE + c];
#end
      d = inverse * parameters[scale + c] * d - pull * x;
    }
#end
    output[at * HEAD_SIZE + c] = d;
    projection += dot(d, raw[start + c]);
  }
  projections[at] = projection;
}
