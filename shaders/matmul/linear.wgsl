#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#if SWIGLU
#include "common/math.wgsl"
#end

// y = x W^T on register tiles without barriers: TILE_ROWS rows by two ranges of HALF columns, the second one GROUP
// columns after the first. So a tile can hold both halves of rotary pairs (GROUP = headSize / 2), or a gate and its
// linear unit (GROUP = feedForward). NORM: x is RMS-normalised on the way, sum(x^2) being collected in the same loop.
// Of the outputs of a larger matrix these are the ones from batch.chunk on; it is 0 where the matrix is whole.
// One element is always the same sum in the same order, whatever rows stand beside it.
// QUADS: four lanes with the same columns and tiles of rows side by side load a quarter of the weights each.
// TILED: eight by eight threads stage the inputs and weights of their tiles in workgroup memory. The sums are the same.
#if QUADS
#include "common/quads.wgsl"
#end

#if TILED
const SIDE: u32 = 8u;
// vec4s of every row staged at once.
const CHUNK: u32 = 4u;
var<workgroup> staged_inputs: array<vec4f, SIDE * TILE_ROWS * CHUNK>;
var<workgroup> staged_weights: array<vec4f, SIDE * 2u * HALF * CHUNK>;
#end

#if WIDE
alias Half = vec4f;
const SPAN: u32 = 4u;
#else
alias Half = vec2f;
const SPAN: u32 = 2u;
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
#if ADAPTER
// Low-rank changes: [outputs x rank] of each part, and A x by row and part (transformer/low_rank.wgsl).
@group(0) @binding(ADAPTERS_BINDING) var<storage, read> adapters: array<vec4f>;
@group(0) @binding(LOW_BINDING) var<storage, read> low: array<vec4f>;

// What the adapters add to SPAN columns from `column` on, all within one part.
fn low_rank_change(row: u32, column: u32) -> Half {
  var sum = Half();
#for p in 0..PARTS
  if (column >= PART_BEGIN_{p} && column < PART_END_{p}) {
    let b = batch.adapter + PART_B_{p} + (column - PART_BEGIN_{p}) * RANK;
    for (var k = 0u; k < RANK; k++) {
      let x = low[row * LOW + {p}u * RANK + k];
      for (var n = 0u; n < SPAN; n++) {
        sum[n] += dot(x, adapters[b + n * RANK + k]);
      }
    }
  }
#end
  return batch.adapter_scale * sum;
}
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
#if QUADS
  let tile = (linear_workgroup(group, groups) * WORKGROUP + lane) / 4u;
  let member = lane % 4u;
  let quad_row = tile / COLUMN_TILES * 4u * TILE_ROWS;
  let row = quad_row + member * TILE_ROWS;
#else
#if TILED
  let column_blocks = (COLUMN_TILES + SIDE - 1u) / SIDE;
  let block = linear_workgroup(group, groups);
  let first_tile = block % column_blocks * SIDE;
  let tile = first_tile + lane % SIDE;
  let quad_row = block / column_blocks * SIDE * TILE_ROWS;
  let row = quad_row + lane / SIDE * TILE_ROWS;
#else
  let tile = linear_workgroup(group, groups) * WORKGROUP + lane;
  let quad_row = tile / COLUMN_TILES * TILE_ROWS;
  let row = quad_row;
#end
#end
#if GATHER
  let rows = batch.predictions;
#else
  let rows = batch.tokens;
#end
  if (quad_row >= rows) {
    return;
  }
  let half = tile % COLUMN_TILES * HALF;
  let column = half / GROUP * 2u * GROUP + half % GROUP;
  let a_at = batch.layer + WEIGHT + (batch.chunk + column) * INPUTS;
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
#if TILED
  for (var start = 0u; start < INPUTS; start += CHUNK) {
    workgroupBarrier();
    for (var n = lane; n < SIDE * TILE_ROWS * CHUNK; n += WORKGROUP) {
      let k = min(start + n % CHUNK, INPUTS - 1u);
      let from_row = min(quad_row + n / CHUNK, rows - 1u);
#if GATHER
      staged_inputs[n] = input[predictions[2u * from_row].x * INPUTS + k];
#else
      staged_inputs[n] = input[from_row * INPUTS + k];
#end
    }
    for (var n = lane; n < SIDE * 2u * HALF * CHUNK; n += WORKGROUP) {
      let k = min(start + n % CHUNK, INPUTS - 1u);
      let within = n / CHUNK % (2u * HALF);
      let from_half = min(first_tile + n / CHUNK / (2u * HALF), COLUMN_TILES - 1u) * HALF;
      let from_column = from_half / GROUP * 2u * GROUP + from_half % GROUP
        + select(within, GROUP + within - HALF, within >= HALF);
#if NORM
      staged_weights[n] =
        parameters[batch.layer + WEIGHT + (batch.chunk + from_column) * INPUTS + k] * parameters[batch.layer + GAIN + k];
#else
      staged_weights[n] = parameters[batch.layer + WEIGHT + (batch.chunk + from_column) * INPUTS + k];
#end
    }
    workgroupBarrier();
    for (var k = 0u; k < min(CHUNK, INPUTS - start); k++) {
#for j in 0..HALF
      let a{j} = staged_weights[(lane % SIDE * 2u * HALF + {j}u) * CHUNK + k];
      let b{j} = staged_weights[(lane % SIDE * 2u * HALF + HALF + {j}u) * CHUNK + k];
#end
#for i in 0..TILE_ROWS
      let x{i} = staged_inputs[(lane / SIDE * TILE_ROWS + {i}u) * CHUNK + k];
#if NORM
      squares{i} += dot(x{i}, x{i});
#end
#for j in 0..HALF
      p{i}_{j} += dot(x{i}, a{j});
      r{i}_{j} += dot(x{i}, b{j});
#end
#end
    }
  }
  if (tile >= COLUMN_TILES) {
    return;
  }
#else
  for (var k = 0u; k < INPUTS; k++) {
#if NORM
    let gain = parameters[batch.layer + GAIN + k];
#end
#if QUADS
#for q in 0..HALF_QUADS
#if NORM
    let quarter_a{q} = parameters[a_at + ({q*4}u + member) * INPUTS + k] * gain;
    let quarter_b{q} = parameters[b_at + ({q*4}u + member) * INPUTS + k] * gain;
#else
    let quarter_a{q} = parameters[a_at + ({q*4}u + member) * INPUTS + k];
    let quarter_b{q} = parameters[b_at + ({q*4}u + member) * INPUTS + k];
#end
#end
#for j in 0..HALF
    let a{j} = quadBroadcast(quarter_a{j/4}, {j%4}u);
    let b{j} = quadBroadcast(quarter_b{j/4}, {j%4}u);
#end
#else
#for j in 0..HALF
#if NORM
    let a{j} = parameters[a_at + {j}u * INPUTS + k] * gain;
    let b{j} = parameters[b_at + {j}u * INPUTS + k] * gain;
#else
    let a{j} = parameters[a_at + {j}u * INPUTS + k];
    let b{j} = parameters[b_at + {j}u * INPUTS + k];
#end
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
#end
  // Rows leave the registers here, so that what follows is compiled once and not for every row.
  var sums: array<Half, 2u * SPANS * TILE_ROWS>;
#if NORM
  var inverse: array<f32, TILE_ROWS>;
#end
#for i in 0..TILE_ROWS
#if WIDE
  sums[2u * SPANS * {i}u] = Half(p{i}_0, p{i}_1, p{i}_2, p{i}_3);
  sums[2u * SPANS * {i}u + 1u] = Half(r{i}_0, r{i}_1, r{i}_2, r{i}_3);
#if DOUBLE
  sums[4u * {i}u + 2u] = Half(p{i}_4, p{i}_5, p{i}_6, p{i}_7);
  sums[4u * {i}u + 3u] = Half(r{i}_4, r{i}_5, r{i}_6, r{i}_7);
#end
#else
  sums[2u * {i}u] = Half(p{i}_0, p{i}_1);
  sums[2u * {i}u + 1u] = Half(r{i}_0, r{i}_1);
#end
#if NORM
  inverse[{i}] = 1.0 / sqrt(squares{i} / f32(4u * INPUTS) + EPSILON);
#end
#end
  for (var n = 0u; n < SPANS * TILE_ROWS; n++) {
    let i = n / SPANS;
    let at_row = row + i;
    if (at_row >= rows) {
      break;
    }
    // Column of the first half, and where it is among all first halves.
    let place = half + n % SPANS * SPAN;
    let at_column = column + n % SPANS * SPAN;
    var u = sums[2u * n];
    var v = sums[2u * n + 1u];
#if NORM
    u *= inverse[i];
    v *= inverse[i];
#if SAVE_INVERSE
    if (place == 0u) {
      inverses[at_row] = inverse[i];
    }
#end
#end
#if ADAPTER
    u += low_rank_change(at_row, at_column);
    v += low_rank_change(at_row, at_column + GROUP);
#end
#if ROPE
    let token = tokens[batch.first + at_row];
    if (at_column < ROTATED) {
      let rotation = (token.y * 2u * GROUP + place % GROUP) / SPAN;
      let cosine = rotations[rotation];
      let sine = rotations[rotation + GROUP / SPAN];
      let turned = u * cosine - v * sine;
      v = v * cosine + u * sine;
      u = turned;
    }
#end
#if CACHE
    if (at_column < QUERY_WIDTH) {
      output[(at_row * QUERY_WIDTH + at_column) / SPAN] = u;
      output[(at_row * QUERY_WIDTH + at_column + GROUP) / SPAN] = v;
    } else {
      let at = token.z * CACHE_WIDTH + at_column - QUERY_WIDTH;
      cache[at / SPAN] = u;
      cache[(at + GROUP) / SPAN] = v;
    }
#else
#if SWIGLU
#if SAVE_GATE
    let at = (at_row * 2u * GROUP + place) / SPAN;
    gate[at] = u;
    gate[at + GROUP / SPAN] = v;
#end
    output[(at_row * GROUP + place) / SPAN] = u / (1.0 + math_exp4(-u)) * v;
#else
    let at = (at_row * OUTPUT_WIDTH + at_column) / SPAN;
#if RESIDUAL
    output[at] = residual[at] + u;
    output[at + GROUP / SPAN] = residual[at + GROUP / SPAN] + v;
#else
#if IN_PLACE
    output[at] += u;
    output[at + GROUP / SPAN] += v;
#else
    output[at] = u;
    output[at + GROUP / SPAN] = v;
#end
#end
#end
#end
  }
}
