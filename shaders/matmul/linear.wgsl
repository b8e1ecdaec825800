#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#if SWIGLU
#include "common/math.wgsl"
#end

// y = x W^T on register tiles without barriers: TILE_ROWS rows by two ranges of HALF columns, the second one GROUP
// columns after the first. So a tile can hold both halves of rotary pairs (GROUP = headSize / 2), or a gate and its
// linear unit (GROUP = feedForward). NORM: x is RMS-normalised on the way, sum(x^2) being collected in the same loop.
// One element is always the same sum in the same order, whatever rows stand beside it.

#if WIDE
alias Half = vec4f;
#else
alias Half = vec2f;
#end

@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(INPUT_BINDING) var<storage, read> input: array<vec4f>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<Half>;
#if GATHER
// Two vec4u a prediction; the first word is its row.
@group(0) @binding(PREDICTIONS_BINDING) var<storage, read> predictions: array<vec4u>;
#end
#if SAVE_INVERSE
@group(0) @binding(INVERSES_BINDING) var<storage, read_write> inverses: array<f32>;
#end
#if ROPE
// (id, position, ., .) a token.
@group(0) @binding(TOKENS_BINDING) var<storage, read> tokens: array<vec4u>;
// [position x (cosines, sines)]
@group(0) @binding(ROTATIONS_BINDING) var<storage, read> rotations: array<Half>;
#end
#if CACHE
// [node x (keys, values)]
@group(0) @binding(CACHE_BINDING) var<storage, read_write> cache: array<Half>;
#end
#if SAVE_GATE
// [token x (gate, up)]
@group(0) @binding(GATE_BINDING) var<storage, read_write> gate: array<Half>;
#end
#if RESIDUAL
@group(0) @binding(RESIDUAL_BINDING) var<storage, read> residual: array<Half>;
#end

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linear_workgroup(group, groups) * WORKGROUP + lane;
  let row = tile / COLUMN_TILES * TILE_ROWS;
#if GATHER
  let rows = batch.predictions;
#else
#if PREDICTED
  let rows = batch.predictions;
#else
  let rows = batch.tokens;
#end
#end
  if (row >= rows) {
    return;
  }
  let half = tile % COLUMN_TILES * HALF;
  let column = half / GROUP * 2u * GROUP + half % GROUP;
  let a_at = batch.layer + WEIGHT + column * INPUTS;
  let b_at = a_at + GROUP * INPUTS;
#for i in 0..TILE_ROWS
#if GATHER
  let x_at{i} = predictions[2u * min(row + {i}u, rows - 1u)].x * INPUTS;
#else
  let x_at{i} = (row + {i}u) * INPUTS;
#end
#if NORM
  var squares{i} = 0.0;
#end
#for j in 0..HALF
  var p{i}_{j} = 0.0;
  var r{i}_{j} = 0.0;
#end
#end
  for (var k = 0u; k < INPUTS; k++) {
#if NORM
    let gain = parameters[batch.layer + GAIN + k];
#end
#for j in 0..HALF
#if NORM
    let a{j} = parameters[a_at + {j}u * INPUTS + k] * gain;
    let b{j} = parameters[b_at + {j}u * INPUTS + k] * gain;
#else
    let a{j} = parameters[a_at + {j}u * INPUTS + k];
    let b{j} = parameters[b_at + {j}u * INPUTS + k];
#end
#end
#for i in 0..TILE_ROWS
    let x{i} = input[x_at{i} + k];
#if NORM
    squares{i} += dot(x{i}, x{i});
#end
#for j in 0..HALF
    p{i}_{j} += dot(x{i}, a{j});
    r{i}_{j} += dot(x{i}, b{j});
#end
#end
  }
#for i in 0..TILE_ROWS
  if (row + {i}u < rows) {
#if WIDE
    var u = Half(p{i}_0, p{i}_1, p{i}_2, p{i}_3);
    var v = Half(r{i}_0, r{i}_1, r{i}_2, r{i}_3);
#else
    var u = Half(p{i}_0, p{i}_1);
    var v = Half(r{i}_0, r{i}_1);
#end
#if NORM
    let inverse = 1.0 / sqrt(squares{i} / f32(4u * INPUTS) + EPSILON);
    u *= inverse;
    v *= inverse;
#if SAVE_INVERSE
    if (half == 0u) {
      inverses[row + {i}u] = inverse;
    }
#end
#end
#if ROPE
    let token = tokens[batch.first + row + {i}u];
    if (column < ROTATED) {
      let rotation = (token.y * 2u * GROUP + half % GROUP) / HALF;
      let cosine = rotations[rotation];
      let sine = rotations[rotation + GROUP / HALF];
      let turned = u * cosine - v * sine;
      v = v * cosine + u * sine;
      u = turned;
    }
#end
#if CACHE
    if (column < QUERY_WIDTH) {
      output[((row + {i}u) * QUERY_WIDTH + column) / HALF] = u;
      output[((row + {i}u) * QUERY_WIDTH + column + GROUP) / HALF] = v;
    } else {
      let at = token.z * CACHE_WIDTH + column - QUERY_WIDTH;
      cache[at / HALF] = u;
      cache[(at + GROUP) / HALF] = v;
    }
#else
#if SWIGLU
#if SAVE_GATE
    let at = ((row + {i}u) * 2u * GROUP + half) / HALF;
    gate[at] = u;
    gate[at + GROUP / HALF] = v;
#end
    output[((row + {i}u) * GROUP + half) / HALF] = u / (1.0 + math_exp4(-u)) * v;
#else
    let at = ((row + {i}u) * OUTPUT_WIDTH + column) / HALF;
#if RESIDUAL
    output[at] = residual[at] + u;
    output[at + GROUP / HALF] = residual[at + GROUP / HALF] + v;
#else
#if IN_PLACE
    output[at] += u;
    output[at + GROUP / HALF] += v;
#else
    output[at] = u;
    output[at + GROUP / HALF] = v;
#end
#end
#end
#end
  }
#end
}
