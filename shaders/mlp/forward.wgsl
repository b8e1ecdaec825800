#include "common/scalars.wgsl"
#include "common/math.wgsl"
#include "common/workgroup.wgsl"
#include "common/network.wgsl"
#if QUADS
#include "common/quads.wgsl"
#end

// h = tanh(W x + b) of one hidden layer for a minibatch, all towers. A thread computes TILE_SAMPLES x TILE_OUTPUTS
// blocks in registers. The first layer gathers its samples from the rollout through the shuffled indices.

@group(0) @binding(1) var<storage, read> parameters: array<mat4x4f>;
@group(0) @binding(2) var<storage, read_write> hidden: array<mat4x4f>;
#if FIRST
@group(0) @binding(3) var<storage, read> observations: array<vec4f>;
@group(0) @binding(4) var<storage, read> indices: array<u32>;
#else
@group(0) @binding(3) var<storage, read> input: array<mat4x4f>;
#end

#if FIRST
#include "common/gather.wgsl"
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
  let weight = (WEIGHT + tower * TOWER_STRIDE) / 16u + column * INPUT_BLOCKS;
  let bias = (BIAS + tower * TOWER_STRIDE) / 4u + column;
#for j in 0..TILE_OUTPUTS
  let b{j} = parameters[(bias + {j}u) / 4u][(bias + {j}u) % 4u];
#end
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  var z{i}_{j} = mat4x4f(b{j}, b{j}, b{j}, b{j});
#end
#end
#if FIRST
#for i in 0..TILE_SAMPLES
  let s{i} = gather_rows(row + {i}u);
#end
#else
  let from_row = (tower * SAMPLE_BLOCKS + row) * INPUT_BLOCKS;
#end
  for (var k = 0u; k < INPUT_BLOCKS; k++) {
#for i in 0..TILE_SAMPLES
#if FIRST
    let x{i} = gather_block(s{i}, k);
#else
    let x{i} = input[from_row + {i}u * INPUT_BLOCKS + k];
#end
#end
#for j in 0..TILE_OUTPUTS
#if QUADS
    let w{j} = transpose(spread(parameters[weight + {j}u * INPUT_BLOCKS + k][member]));
#else
    let w{j} = transpose(parameters[weight + {j}u * INPUT_BLOCKS + k]);
#end
#end
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
    z{i}_{j} += w{j} * x{i};
#end
#end
  }
  let to_row = (tower * SAMPLE_BLOCKS + row) * OUTPUT_BLOCKS + column;
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  hidden[to_row + {i}u * OUTPUT_BLOCKS + {j}u] = math_tanh4x4(z{i}_{j});
#end
#end
}
