#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// dW = dy^T x, the rows split into SPLITS ranges; each writes its own partial sum, which
// optim/reduce_transformer_gradient.wgsl adds in fixed order. NORM: x / rms(x) in the place of x; the gain's share
// comes with the reduction.

@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(INPUT_BINDING) var<storage, read> input: array<vec4f>;
@group(0) @binding(PARTIALS_BINDING) var<storage, read_write> partials: array<vec4f>;
#if NORM
@group(0) @binding(INVERSES_BINDING) var<storage, read> inverses: array<f32>;
#end
#if GATHER
@group(0) @binding(PREDICTIONS_BINDING) var<storage, read> predictions: array<vec4u>;
#end

const ROW_TILES: u32 = (OUTPUTS + TILE_OUTPUTS - 1u) / TILE_OUTPUTS;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linear_workgroup(group, groups) * WORKGROUP + lane;
  let split = tile / (COLUMN_TILES * ROW_TILES);
  if (split >= SPLITS) {
    return;
  }
  let column = tile % COLUMN_TILES * TILE_VECTORS;
  let first = tile / COLUMN_TILES % ROW_TILES * TILE_OUTPUTS;
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
  for (var m = split * range; m < end; m++) {
    let y_at = (m * OUTPUT_WIDTH + first) / 4u;
#for q in 0..OUTPUT_VECTORS
    let y{q} = gradient[y_at + {q}u];
#end
#if GATHER
    let x_at = predictions[2u * m].x * INPUTS + column;
#else
    let x_at = m * INPUTS + column;
#end
#if NORM
    let inverse = inverses[m];
#end
#for v in 0..TILE_VECTORS
#if NORM
    let x{v} = input[x_at + {v}u] * inverse;
#else
    let x{v} = input[x_at + {v}u];
#end
#end
#for n in 0..TILE_OUTPUTS
#for v in 0..TILE_VECTORS
    g{n}_{v} += y{n/4}[{n%4}] * x{v};
#end
#end
  }
  let at = split * PARTIAL_LENGTH + batch.layer + WEIGHT + first * INPUTS + column;
#for n in 0..TILE_OUTPUTS
  if (first + {n}u < OUTPUTS) {
#for v in 0..TILE_VECTORS
    partials[at + {n}u * INPUTS + {v}u] = g{n}_{v};
#end
  }
#end
}
