#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#if SWIGLU
#include "common/math.wgsl"
#end

// dx = dy W on register tiles of TILE_ROWS rows by TILE_VECTORS vec4 columns, with what follows fused:
// NORM goes on through y = W (g x / rms(x)): dx = g dx' / rms - x (dx' . g x) / (width rms^3), where the inner
// product equals rms x (dy . y), which whoever made dy left as PROJECTIONS partial sums a row.
// SWIGLU goes on through silu(gate) up, replaces both by their gradients, and leaves such partial sums.
// CHUNKED: dy and W are those of the outputs from batch.chunk on, of TOTAL; the last chunk comes first, the others add.
// QUADS: four lanes with the same columns and tiles of rows side by side load a quarter of the weights each.
// TILED: eight by eight threads stage the gradients and weights of their tiles in workgroup memory. The sums are the same.
#if QUADS
#include "common/quads.wgsl"
#end

#if TILED
const SIDE: u32 = 8u;
// vec4s of every row staged at once.
const CHUNK: u32 = 4u;
var<workgroup> staged_gradients: array<vec4f, SIDE * TILE_ROWS * CHUNK>;
var<workgroup> staged_weights: array<vec4f, 4u * CHUNK * SIDE * TILE_VECTORS>;
#end

@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
#if SWIGLU
@group(0) @binding(GATE_BINDING) var<storage, read_write> gate: array<vec4f>;
@group(0) @binding(PROJECTIONS_BINDING) var<storage, read_write> projections: array<f32>;
#else
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;
#end
#if NORM
@group(0) @binding(INPUT_BINDING) var<storage, read> input: array<vec4f>;
@group(0) @binding(INVERSES_BINDING) var<storage, read> inverses: array<f32>;
@group(0) @binding(PROJECTIONS_BINDING) var<storage, read> projections: array<f32>;
#end
#if ADAPTER
// A of the low-rank changes, [low x inputs], and the gradient of A x (transformer/low_rank_gradient.wgsl).
@group(0) @binding(ADAPTERS_BINDING) var<storage, read> adapters: array<vec4f>;
@group(0) @binding(LOW_GRADIENT_BINDING) var<storage, read> low_gradient: array<f32>;
#end
#if GATHER
@group(0) @binding(PREDICTIONS_BINDING) var<storage, read> predictions: array<vec4u>;
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
#if TILED
  let column = tile * TILE_VECTORS;
#else
  let column = tile % COLUMN_TILES * TILE_VECTORS;
#end
#for i in 0..TILE_ROWS
#for v in 0..TILE_VECTORS
  var d{i}_{v} = vec4f();
#end
#end
#if TILED
  for (var start = 0u; start < OUTPUTS; start += CHUNK) {
    workgroupBarrier();
    for (var m = lane; m < SIDE * TILE_ROWS * CHUNK; m += WORKGROUP) {
      let from_row = min(quad_row + m / CHUNK, rows - 1u);
      staged_gradients[m] = gradient[from_row * OUTPUTS + min(start + m % CHUNK, OUTPUTS - 1u)];
    }
    for (var m = lane; m < 4u * CHUNK * SIDE * TILE_VECTORS; m += WORKGROUP) {
      let from_column = min(first_tile * TILE_VECTORS + m % (SIDE * TILE_VECTORS), INPUTS - 1u);
      let output_row = min(4u * start + m / (SIDE * TILE_VECTORS), 4u * OUTPUTS - 1u);
      staged_weights[m] = parameters[batch.layer + WEIGHT + (batch.chunk + output_row) * INPUTS + from_column];
    }
    workgroupBarrier();
    for (var n = 0u; n < min(CHUNK, OUTPUTS - start); n++) {
#for i in 0..TILE_ROWS
      let y{i} = staged_gradients[(lane / SIDE * TILE_ROWS + {i}u) * CHUNK + n];
#end
#for e in 0..4
#for v in 0..TILE_VECTORS
      let w{e}_{v} = staged_weights[((4u * n + {e}u) * SIDE + lane % SIDE) * TILE_VECTORS + {v}u];
#end
#end
#for i in 0..TILE_ROWS
#for v in 0..TILE_VECTORS
      d{i}_{v} += (y{i}[0] * w0_{v} + y{i}[1] * w1_{v}) + (y{i}[2] * w2_{v} + y{i}[3] * w3_{v});
#end
#end
    }
  }
  if (tile >= COLUMN_TILES) {
    return;
  }
#else
  for (var n = 0u; n < OUTPUTS; n++) {
#for i in 0..TILE_ROWS
    let y{i} = gradient[(row + {i}u) * OUTPUTS + n];
#end
    let w_at = batch.layer + WEIGHT + (batch.chunk + 4u * n) * INPUTS + column;
#if QUADS
#for v in 0..TILE_VECTORS
    let quarter{v} = parameters[w_at + member * INPUTS + {v}u];
#end
#for e in 0..4
#for v in 0..TILE_VECTORS
    let w{e}_{v} = quadBroadcast(quarter{v}, {e}u);
#end
#end
#else
#for e in 0..4
#for v in 0..TILE_VECTORS
    let w{e}_{v} = parameters[w_at + {e}u * INPUTS + {v}u];
#end
#end
#end
#for i in 0..TILE_ROWS
#for v in 0..TILE_VECTORS
    d{i}_{v} += (y{i}[0] * w0_{v} + y{i}[1] * w1_{v}) + (y{i}[2] * w2_{v} + y{i}[3] * w3_{v});
#end
#end
  }
#end
  // Rows leave the registers here, so that what follows is compiled once and not for every row.
  var sums: array<vec4f, TILE_ROWS * TILE_VECTORS>;
#for i in 0..TILE_ROWS
#for v in 0..TILE_VECTORS
  sums[{i}u * TILE_VECTORS + {v}u] = d{i}_{v};
#end
#end
  for (var i = 0u; i < TILE_ROWS; i++) {
    let at_row = row + i;
    if (at_row >= rows) {
      break;
    }
    var projection = 0.0;
#if NORM
    for (var c = 0u; c < PROJECTIONS; c++) {
      projection += projections[at_row * PROJECTION_STRIDE + PROJECTION_OFFSET + c];
    }
    let inverse = inverses[at_row];
    let back = projection * inverse * inverse / f32(4u * INPUTS);
#if GATHER
    let x_at = predictions[2u * at_row].x * INPUTS + column;
#else
    let x_at = at_row * INPUTS + column;
#end
#end
    for (var v = 0u; v < TILE_VECTORS; v++) {
      var d = sums[i * TILE_VECTORS + v];
#if ADAPTER
      for (var r = 0u; r < 4u * LOW; r++) {
        d += low_gradient[at_row * 4u * LOW + r] * adapters[batch.adapter + A + r * INPUTS + column + v];
      }
#end
#if SWIGLU
      let at = at_row * 2u * INPUTS + column + v;
      let g = gate[at];
      let u = gate[at + INPUTS];
      let sigmoid = 1.0 / (1.0 + math_exp4(-g));
      let dg = d * u * sigmoid * (1.0 + g * (1.0 - sigmoid));
      let du = d * g * sigmoid;
      gate[at] = dg;
      gate[at + INPUTS] = du;
      projection += dot(dg, g) + dot(du, u);
#else
      let at = at_row * INPUTS + column + v;
#if NORM
      let e = inverse * parameters[batch.layer + GAIN + column + v] * d - back * input[x_at + v];
#if ACCUMULATE
      output[at] += e;
#else
#if CHUNKED
      output[at] = select(output[at] + e, e, batch.chunk + 4u * OUTPUTS >= TOTAL);
#else
      output[at] = e;
#end
#end
#else
      output[at] = d;
#end
#end
    }
#if SWIGLU
    projections[at_row * COLUMN_TILES + column / TILE_VECTORS] = projection;
#end
  }
}
