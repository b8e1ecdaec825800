#include "common/workgroup.wgsl"
#include "common/network.wgsl"
#if QUADS
#include "common/quads.wgsl"
#end

// dW = sum over samples of x dz^T, and db = sum of dz, of one hidden layer above the first. The batch is split
// into SPLITS ranges; each writes its own partial sum, which optim/reduce_gradient.wgsl adds in fixed order.

@group(0) @binding(0) var<storage, read> input: array<mat4x4f>;
@group(0) @binding(1) var<storage, read> delta: array<mat4x4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;

const COLUMNS: u32 = INPUT_BLOCKS / TILE_INPUTS;
const ROWS: u32 = OUTPUT_BLOCKS / TILE_OUTPUTS;
const SPLIT_BLOCKS: u32 = (SAMPLE_BLOCKS + SPLITS - 1u) / SPLITS;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linear_workgroup(group, groups) * WORKGROUP + lane;
  if (tile >= TOWERS * ROWS * COLUMNS * SPLITS) {
    return;
  }
#if QUADS
  // Lanes of a quad have the same outputs, and inputs side by side.
  let member = lane % 4u;
#end
  let column = tile % COLUMNS * TILE_INPUTS;
  let row = tile / COLUMNS % ROWS * TILE_OUTPUTS;
  let tower = tile / (COLUMNS * ROWS) % TOWERS;
  let split = tile / (COLUMNS * ROWS * TOWERS);
#for j in 0..TILE_OUTPUTS
  var b{j} = vec4f();
#for k in 0..TILE_INPUTS
  var g{j}_{k} = mat4x4f();
#end
#end
  let end = min((split + 1u) * SPLIT_BLOCKS, SAMPLE_BLOCKS);
  for (var s = split * SPLIT_BLOCKS; s < end; s++) {
    let x_at = (tower * SAMPLE_BLOCKS + s) * INPUT_BLOCKS + column;
    let d_at = (tower * SAMPLE_BLOCKS + s) * OUTPUT_BLOCKS + row;
#for k in 0..TILE_INPUTS
    let x{k} = input[x_at + {k}u];
#end
#for j in 0..TILE_OUTPUTS
#if QUADS
    let d{j} = spread(delta[d_at + {j}u][member]);
#else
    let d{j} = delta[d_at + {j}u];
#end
#end
#for j in 0..TILE_OUTPUTS
    b{j} += (d{j}[0] + d{j}[1]) + (d{j}[2] + d{j}[3]);
    let t{j} = transpose(d{j});
#for k in 0..TILE_INPUTS
    g{j}_{k} += x{k} * t{j};
#end
#end
  }
  let partial = PARTIAL_BASE / 4u + split * (LARGE_LENGTH / 4u) + tower * (TOWER_STRIDE / 4u);
#for j in 0..TILE_OUTPUTS
#for k in 0..TILE_INPUTS
  let at{j}_{k} = partial + WEIGHT / 4u + ((row + {j}u) * INPUT_BLOCKS + column + {k}u) * 4u;
  partials[at{j}_{k}] = g{j}_{k}[0];
  partials[at{j}_{k} + 1u] = g{j}_{k}[1];
  partials[at{j}_{k} + 2u] = g{j}_{k}[2];
  partials[at{j}_{k} + 3u] = g{j}_{k}[3];
#end
#end
  if (column == 0u) {
#for j in 0..TILE_OUTPUTS
    partials[partial + BIAS / 4u + row + {j}u] = b{j};
#end
  }
}
