#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#if SWIGLU
#include "common/math.wgsl"
#end

// dx = dy W on register tiles of TILE_ROWS rows by TILE_VECTORS vec4 columns, with what follows fused:
// NORM goes on through y = W (g x / rms(x)): dx = g dx' / rms - x (dx' . g x) / (width rms^3), where the inner
// product equals rms x (dy . y), which whoever made dy left as PROJECTIONS partial sums a row.
// SWIGLU goes on through silu(gate) up, replaces both by their gradients, and leaves such partial sums.

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
#if GATHER
@group(0) @binding(PREDICTIONS_BINDING) var<storage, read> predictions: array<vec4u>;
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
  let rows = batch.tokens;
#end
  if (row >= rows) {
    return;
  }
  let column = tile % COLUMN_TILES * TILE_VECTORS;
#for i in 0..TILE_ROWS
#for v in 0..TILE_VECTORS
  var d{i}_{v} = vec4f();
#end
#end
  for (var n = 0u; n < OUTPUTS; n++) {
#for i in 0..TILE_ROWS
    let y{i} = gradient[(row + {i}u) * OUTPUTS + n];
#end
    let w_at = batch.layer + WEIGHT + 4u * n * INPUTS + column;
#for e in 0..4
#for v in 0..TILE_VECTORS
    let w{e}_{v} = parameters[w_at + {e}u * INPUTS + {v}u];
#end
#end
#for i in 0..TILE_ROWS
#for v in 0..TILE_VECTORS
    d{i}_{v} += (y{i}[0] * w0_{v} + y{i}[1] * w1_{v}) + (y{i}[2] * w2_{v} + y{i}[3] * w3_{v});
#end
#end
  }
#for i in 0..TILE_ROWS
  if (row + {i}u < rows) {
#if SWIGLU
    var projection = 0.0;
#for v in 0..TILE_VECTORS
    let gate_at{v} = (row + {i}u) * 2u * INPUTS + column + {v}u;
    let g{v} = gate[gate_at{v}];
    let u{v} = gate[gate_at{v} + INPUTS];
    let sigmoid{v} = 1.0 / (1.0 + math_exp4(-g{v}));
    let dg{v} = d{i}_{v} * u{v} * sigmoid{v} * (1.0 + g{v} * (1.0 - sigmoid{v}));
    let du{v} = d{i}_{v} * g{v} * sigmoid{v};
    gate[gate_at{v}] = dg{v};
    gate[gate_at{v} + INPUTS] = du{v};
    projection += dot(dg{v}, g{v}) + dot(du{v}, u{v});
#end
    projections[(row + {i}u) * COLUMN_TILES + column / TILE_VECTORS] = projection;
#else
#if NORM
    let inverse = inverses[row + {i}u];
    var projection = 0.0;
    for (var c = 0u; c < PROJECTIONS; c++) {
      projection += projections[(row + {i}u) * PROJECTION_STRIDE + PROJECTION_OFFSET + c];
    }
    let back = projection * inverse * inverse / f32(4u * INPUTS);
#if GATHER
    let x_at = predictions[2u * (row + {i}u)].x * INPUTS + column;
#else
    let x_at = (row + {i}u) * INPUTS + column;
#end
#for v in 0..TILE_VECTORS
    let e{v} = inverse * parameters[batch.layer + GAIN + column + {v}u] * d{i}_{v} - back * input[x_at + {v}u];
#end
#else
#for v in 0..TILE_VECTORS
    let e{v} = d{i}_{v};
#end
#end
    let at = (row + {i}u) * INPUTS + column;
#for v in 0..TILE_VECTORS
#if ACCUMULATE
    output[at + {v}u] += e{v};
#else
    output[at + {v}u] = e{v};
#end
#end
#end
  }
#end
}
