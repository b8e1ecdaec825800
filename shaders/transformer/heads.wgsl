#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// Between a projection and attention, where there is more than the turn: biases, then an RMS norm of every head's
// queries and keys, then rotary positions. Thread per token and head of queries, keys and values.

@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
// [token x (queries, keys, values)] as projected.
@group(0) @binding(RAW_BINDING) var<storage, read> raw: array<vec4f>;
// (id, position, node, .) a token.
@group(0) @binding(TOKENS_BINDING) var<storage, read> tokens: array<vec4u>;
// [position x (cosines, sines)]
@group(0) @binding(ROTATIONS_BINDING) var<storage, read> rotations: array<f32>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;
#if SAVE_INVERSE
// 1 / rms by token and head of queries and keys.
@group(0) @binding(INVERSES_BINDING) var<storage, read_write> inverses: array<f32>;
#end
#if CACHE
// [node x (keys, values)]
@group(0) @binding(CACHE_BINDING) var<storage, read_write> cache: array<vec4f>;
#end

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
  var x: array<vec4f, HEAD_SIZE>;
  var square = 0.0;
  for (var c = 0u; c < HEAD_SIZE; c++) {
    x[c] = raw[row * RAW_STRIDE + unit * HEAD_SIZE + c];
#if BIAS
    x[c] += parameters[batch.layer + BIAS_AT + unit * HEAD_SIZE + c];
#end
    square += dot(x[c], x[c]);
  }
  let token = tokens[batch.first + row];
  if (unit < TURNED) {
#if NORM
    let inverse = 1.0 / sqrt(square / f32(4u * HEAD_SIZE) + EPSILON);
#if SAVE_INVERSE
    inverses[row * TURNED + unit] = inverse;
#end
    let scale = batch.layer + select(KEY_SCALE, QUERY_SCALE, unit < HEADS);
    for (var c = 0u; c < HEAD_SIZE; c++) {
      x[c] *= inverse * parameters[scale + c];
    }
#end
    for (var i = 0u; i < 2u * HEAD_SIZE; i++) {
      let j = i + 2u * HEAD_SIZE;
      let cosine = rotations[token.y * 4u * HEAD_SIZE + i];
      let sine = rotations[token.y * 4u * HEAD_SIZE + j];
      let a = x[i / 4u][i % 4u];
      let b = x[j / 4u][j % 4u];
      x[i / 4u][i % 4u] = a * cosine - b * sine;
      x[j / 4u][j % 4u] = b * cosine + a * sine;
    }
  }
  for (var c = 0u; c < HEAD_SIZE; c++) {
#if CACHE
    if (unit < HEADS) {
      output[(row * HEADS + unit) * HEAD_SIZE + c] = x[c];
    } else {
      cache[(token.z * (UNITS - HEADS) + unit - HEADS) * HEAD_SIZE + c] = x[c];
    }
#else
    output[at * HEAD_SIZE + c] = x[c];
#end
  }
}
