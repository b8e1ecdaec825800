#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// dW = dy^T x, the rows split into SPLITS ranges; each writes its own partial sum, which
// optim/reduce_transformer_gradient.wgsl adds in fixed order. NORM: x / rms(x) in the place of x; the gain's share
// comes with the reduction.
// CHUNKED: dy is that of the outputs from batch.chunk on, of TOTAL.
// QUADS: four lanes with the same columns and tiles of outputs side by side load a quarter of the inputs each.
// TILED: eight by eight threads stage the rows of their tiles in workgroup memory. The sums are the same.
#if QUADS
#include "common/quads.wgsl"
#end

#if TILED
const SIDE: u32 = 8u;
// Rows staged at once, an even number.
const CHUNK: u32 = 8u;
var<workgroup> staged_gradients: array<vec4f, CHUNK * SIDE * OUTPUT_VECTORS>;
var<workgroup> staged_inputs: array<vec4f, CHUNK * SIDE * TILE_VECTORS>;
#end

@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(INPUT_BINDING) var<storage, read> input: array<vec4f>;
@group(0) @binding(PARTIALS_BINDING) var<storage, read_write> partials: array<vec4f>;
#if NORM
@group(0) @binding(INVERSES_BINDING) var<storage, read> inverses: array<f32>;
#end
#if GATHER
@group(0) @binding(PREDICTIONS_BINDING) var<storage, read> predictions: array<vec4u>;
#end

const OUTPUT_TILES: u32 = (OUTPUTS + TILE_OUTPUTS - 1u) / TILE_OUTPUTS;
#if QUADS
const ROW_TILES: u32 = (OUTPUT_TILES + 3u) / 4u;
#else
const ROW_TILES: u32 = OUTPUT_TILES;
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
#else
#if TILED
  let tile = linear_workgroup(group, groups);
#else
  let tile = linear_workgroup(group, groups) * WORKGROUP + lane;
#end
#end
#if TILED
  let column_blocks = (COLUMN_TILES + SIDE - 1u) / SIDE;
  let row_blocks = (ROW_TILES + SIDE - 1u) / SIDE;
  let split = tile / (column_blocks * row_blocks);
#else
  let split = tile / (COLUMN_TILES * ROW_TILES);
#end
  if (split >= SPLITS) {
    return;
  }
#if TILED
  let first_column = tile % column_blocks * SIDE * TILE_VECTORS;
  let first_output = tile / column_blocks % row_blocks * SIDE * TILE_OUTPUTS;
  let column = first_column + lane % SIDE * TILE_VECTORS;
  // Beyond the last output: computed, never stored.
  let first = first_output + lane / SIDE * TILE_OUTPUTS;
#else
  let column = tile % COLUMN_TILES * TILE_VECTORS;
#if QUADS
  let first = (tile / COLUMN_TILES % ROW_TILES * 4u + member) * TILE_OUTPUTS;
#else
  let first = tile / COLUMN_TILES % ROW_TILES * TILE_OUTPUTS;
#end
#end
#if GATHER
  let rows = batch.predictions;
#else
  let rows = batch.tokens;
#end
  let range = (rows + SPLITS - 1u) / SPLITS;
  let end = min((split + 1u) * range, rows);
#for n in 0..TILE_OUTPUTS
#for v in 0..TILE_VECTORS
  var g{n}_{v} = vec4f();
#end
#end
#if TILED
  for (var start = split * range; start < end; start += CHUNK) {
    workgroupBarrier();
    for (var n = lane; n < CHUNK * SIDE * OUTPUT_VECTORS; n += WORKGROUP) {
      let from_row = min(start + n / (SIDE * OUTPUT_VECTORS), end - 1u);
      let from_vector = min(first_output / 4u + n % (SIDE * OUTPUT_VECTORS), OUTPUT_WIDTH / 4u - 1u);
      staged_gradients[n] = gradient[from_row * (OUTPUT_WIDTH / 4u) + from_vector];
    }
    for (var n = lane; n < CHUNK * SIDE * TILE_VECTORS; n += WORKGROUP) {
      let m = start + n / (SIDE * TILE_VECTORS);
      let from_row = min(m, end - 1u);
      let from_column = min(first_column + n % (SIDE * TILE_VECTORS), INPUTS - 1u);
#if NORM
      let scale = select(0.0, inverses[from_row], m < end);
#else
      let scale = select(0.0, 1.0, m < end);
#end
#if GATHER
      staged_inputs[n] = input[predictions[2u * from_row].x * INPUTS + from_column] * scale;
#else
      staged_inputs[n] = input[from_row * INPUTS + from_column] * scale;
#end
    }
    workgroupBarrier();
    for (var m = 0u; m < min(CHUNK, end - start); m += 2u) {
#for u in 0..2
#for q in 0..OUTPUT_VECTORS
      let y{u}_{q} = staged_gradients[((m + {u}u) * SIDE + lane / SIDE) * OUTPUT_VECTORS + {q}u];
#end
#for v in 0..TILE_VECTORS
      let x{u}_{v} = staged_inputs[((m + {u}u) * SIDE + lane % SIDE) * TILE_VECTORS + {v}u];
#end
#end
#for n in 0..TILE_OUTPUTS
#for v in 0..TILE_VECTORS
      g{n}_{v} += y0_{n/4}[{n%4}] * x0_{v} + y1_{n/4}[{n%4}] * x1_{v};
#end
#end
    }
  }
  if (column >= INPUTS) {
    return;
  }
#else
  // Two rows at a time: an accumulator that does not fit a register moves once for two products.
  for (var m = split * range; m < end; m += 2u) {
#for u in 0..2
    let m{u} = min(m + {u}u, end - 1u);
#for q in 0..OUTPUT_VECTORS
    let y{u}_{q} = gradient[(m{u} * OUTPUT_WIDTH + first) / 4u + {q}u];
#end
#if GATHER
    let x_at{u} = predictions[2u * m{u}].x * INPUTS + column;
#else
    let x_at{u} = m{u} * INPUTS + column;
#end
#if NORM
    let scale{u} = select(0.0, inverses[m{u}], m + {u}u < end);
#else
    let scale{u} = select(0.0, 1.0, m + {u}u < end);
#end
#if QUADS
    let quarter{u} = input[x_at{u} + member] * scale{u};
#for v in 0..TILE_VECTORS
    let x{u}_{v} = quadBroadcast(quarter{u}, {v}u);
#end
#else
#for v in 0..TILE_VECTORS
    let x{u}_{v} = input[x_at{u} + {v}u] * scale{u};
#end
#end
#end
#for n in 0..TILE_OUTPUTS
#for v in 0..TILE_VECTORS
    g{n}_{v} += y0_{n/4}[{n%4}] * x0_{v} + y1_{n/4}[{n%4}] * x1_{v};
#end
#end
  }
#end
#if CHUNKED
  let stored = min(OUTPUTS, TOTAL - batch.chunk);
#else
  let stored = OUTPUTS;
#end
  let at = split * PARTIAL_LENGTH + batch.layer + WEIGHT + (batch.chunk + first) * INPUTS + column;
#for n in 0..TILE_OUTPUTS
  if (first + {n}u < stored) {
#for v in 0..TILE_VECTORS
    partials[at + {n}u * INPUTS + {v}u] = g{n}_{v};
#end
  }
#end
}
