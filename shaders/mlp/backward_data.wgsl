#include "common/scalars.wgsl"
#include "common/workgroup.wgsl"
#include "common/network.wgsl"
#if QUADS
#include "common/quads.wgsl"
#end

// dz of the layer below: (W^T dz) * (1 - h^2), by register tiles as in forward.wgsl. Below the second layer it
// ends in the first layer's weight gradient instead of being stored.

@group(0) @binding(1) var<storage, read> parameters: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> delta_above: array<mat4x4f>;
@group(0) @binding(3) var<storage, read> hidden: array<mat4x4f>;
#if FIRST
@group(0) @binding(4) var<storage, read> observations: array<vec4f>;
@group(0) @binding(5) var<storage, read> indices: array<u32>;
@group(0) @binding(6) var<storage, read_write> partials: array<vec4f>;
#include "common/gather.wgsl"
#else
@group(0) @binding(4) var<storage, read_write> delta: array<mat4x4f>;
#end

const COLUMNS: u32 = OUTPUT_BLOCKS / TILE_OUTPUTS;
const ROWS: u32 = SAMPLE_BLOCKS / TILE_SAMPLES;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linear_workgroup(group, groups) * WORKGROUP + lane;
  if (tile >= TOWERS * ROWS * COLUMNS) {
    return;
  }
#if QUADS
  // Lanes of a quad have the same outputs, and rows side by side.
  let member = lane % 4u;
#end
  let row = tile % ROWS * TILE_SAMPLES;
  let column = tile / ROWS % COLUMNS * TILE_OUTPUTS;
  let tower = tile / (COLUMNS * ROWS);
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  var d{i}_{j} = mat4x4f();
#end
#end
  let weight = (WEIGHT + tower * TOWER_STRIDE) / 16u + column;
  let from_row = (tower * SAMPLE_BLOCKS + row) * ABOVE_BLOCKS;
  for (var k = 0u; k < ABOVE_BLOCKS; k++) {
#for i in 0..TILE_SAMPLES
    let x{i} = delta_above[from_row + {i}u * ABOVE_BLOCKS + k];
#end
#for j in 0..TILE_OUTPUTS
#if QUADS
    let w{j} = spread(parameters[weight + k * OUTPUT_BLOCKS + {j}u][member]);
#else
    let w{j} = parameters[weight + k * OUTPUT_BLOCKS + {j}u];
#end
#end
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
    d{i}_{j} += w{j} * x{i};
#end
#end
  }
  let to_row = (tower * SAMPLE_BLOCKS + row) * OUTPUT_BLOCKS + column;
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  let h{i}_{j} = hidden[to_row + {i}u * OUTPUT_BLOCKS + {j}u];
  let dz{i}_{j} = tanh_gradient(d{i}_{j}, h{i}_{j});
#end
#end
#if FIRST
#include "common/first_layer_gradient.wgsl"
#else
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  delta[to_row + {i}u * OUTPUT_BLOCKS + {j}u] = dz{i}_{j};
#end
#end
#end
}
