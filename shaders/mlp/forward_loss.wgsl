#include "common/scalars.wgsl"
#include "common/math.wgsl"
#include "common/network.wgsl"
#include "common/gather.wgsl"

// The last hidden layer, the heads, the PPO loss and the way back to the last layer's dz, in one dispatch. A
// workgroup holds GROUP_ROWS rows of tiles of one tower, each row across the whole width; the heads' products
// meet in workgroup memory, so there are two barriers and everything else stays in registers. Also writes the
// heads' gradients, a partial sum for every row of tiles.

@group(0) @binding(1) var<storage, read> parameters: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> transitions: array<u32>;
@group(0) @binding(4) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>;
#if FIRST
@group(0) @binding(6) var<storage, read> observations: array<vec4f>;
#else
@group(0) @binding(6) var<storage, read> input: array<mat4x4f>;
@group(0) @binding(7) var<storage, read_write> delta: array<mat4x4f>;
#end

const COLUMNS: u32 = OUTPUT_BLOCKS / TILE_OUTPUTS;
const ROWS: u32 = SAMPLE_BLOCKS / TILE_SAMPLES;

var<workgroup> head_products: array<mat4x4f, GROUP_ROWS * COLUMNS * TILE_SAMPLES * TOWER_HEADS>;
var<workgroup> head_deltas: array<mat4x4f, GROUP_ROWS * TILE_SAMPLES * TOWER_HEADS>;

// Rows are outputs, lanes of each vector are the four samples of a block.
var<private> head_output: array<vec4f, TOWER_HEADS * 4u>;
var<private> head_gradient: array<vec4f, TOWER_HEADS * 4u>;

#include "loss/ppo.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let local_row = lane / COLUMNS;
  let local_column = lane % COLUMNS;
  let column = local_column * TILE_OUTPUTS;
  let tile_row = (group.y * groups.x + group.x) * GROUP_ROWS + local_row;
  let row = tile_row % ROWS * TILE_SAMPLES;
  let tower = min(tile_row / ROWS, TOWERS - 1u);
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
  let samples{i} = gather_rows(row + {i}u);
#end
#else
  let from_row = (tower * SAMPLE_BLOCKS + row) * INPUT_BLOCKS;
#end
  for (var k = 0u; k < INPUT_BLOCKS; k++) {
#for i in 0..TILE_SAMPLES
#if FIRST
    let x{i} = gather_block(samples{i}, k);
#else
    let x{i} = input[from_row + {i}u * INPUT_BLOCKS + k];
#end
#end
#for j in 0..TILE_OUTPUTS
    let w{j} = transpose(parameters[weight + {j}u * INPUT_BLOCKS + k]);
#end
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
    z{i}_{j} += w{j} * x{i};
#end
#end
  }
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  let h{i}_{j} = math_tanh4x4(z{i}_{j});
#end
#end

  // Separate towers: the first has the actor's heads, the second the critic's. One trunk has all.
  let first_head = select(0u, ACTOR_BLOCKS, tower == 1u);
  let heads = select(TOWER_HEADS, 1u, tower == 1u);
  let head = HEAD_WEIGHT / 16u + first_head * OUTPUT_BLOCKS + column;
  for (var n = 0u; n < heads; n++) {
#for j in 0..TILE_OUTPUTS
    let w{j} = transpose(parameters[head + n * OUTPUT_BLOCKS + {j}u]);
#end
#for i in 0..TILE_SAMPLES
    var p{i} = mat4x4f();
#for j in 0..TILE_OUTPUTS
    p{i} += w{j} * h{i}_{j};
#end
    head_products[((local_row * TILE_SAMPLES + {i}u) * TOWER_HEADS + n) * COLUMNS + local_column] = p{i};
#end
  }
  workgroupBarrier();

  for (var i = local_column; i < TILE_SAMPLES; i += COLUMNS) {
    for (var n = 0u; n < heads; n++) {
      let head_bias = HEAD_BIAS / 4u + first_head + n;
      let b = parameters[head_bias / 4u][head_bias % 4u];
      var sum = mat4x4f(b, b, b, b);
      let products = ((local_row * TILE_SAMPLES + i) * TOWER_HEADS + n) * COLUMNS;
      for (var c = 0u; c < COLUMNS; c++) {
        sum += head_products[products + c];
      }
      let outputs = transpose(sum);
      head_output[n * 4u] = outputs[0];
      head_output[n * 4u + 1u] = outputs[1];
      head_output[n * 4u + 2u] = outputs[2];
      head_output[n * 4u + 3u] = outputs[3];
      head_gradient[n * 4u] = vec4f();
      head_gradient[n * 4u + 1u] = vec4f();
      head_gradient[n * 4u + 2u] = vec4f();
      head_gradient[n * 4u + 3u] = vec4f();
    }
    let block = row + i;
    let rows = gather_rows(block);
    let live = select(vec4f(), vec4f(1.0), vec4u(block * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(BATCH));
    let sums = STATISTICS_BASE / 4u + block * 2u;
    if (tower == 0u) {
      partials[sums] = policy_loss(rows, live);
    }
    if (tower == TOWERS - 1u) {
      partials[sums + 1u] = vec4f(value_loss(rows, live, (heads - 1u) * 4u), 0.0, 0.0, 0.0);
    }
    for (var n = 0u; n < heads; n++) {
      head_deltas[(local_row * TILE_SAMPLES + i) * TOWER_HEADS + n] = transpose(mat4x4f(
        head_gradient[n * 4u],
        head_gradient[n * 4u + 1u],
        head_gradient[n * 4u + 2u],
        head_gradient[n * 4u + 3u],
      ));
    }
  }
  workgroupBarrier();

#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  var d{i}_{j} = mat4x4f();
#end
#end
  let partial = row / TILE_SAMPLES * (SMALL_LENGTH / 4u);
  for (var n = 0u; n < heads; n++) {
#for i in 0..TILE_SAMPLES
    let e{i} = head_deltas[(local_row * TILE_SAMPLES + {i}u) * TOWER_HEADS + n];
    let t{i} = transpose(e{i});
#end
    let weights = partial + HEAD_WEIGHT / 4u + ((first_head + n) * OUTPUT_BLOCKS + column) * 4u;
#for j in 0..TILE_OUTPUTS
    let w{j} = parameters[head + n * OUTPUT_BLOCKS + {j}u];
    var g{j} = mat4x4f();
#for i in 0..TILE_SAMPLES
    d{i}_{j} += w{j} * e{i};
    g{j} += h{i}_{j} * t{i};
#end
    partials[weights + {j*4}u] = g{j}[0];
    partials[weights + {j*4}u + 1u] = g{j}[1];
    partials[weights + {j*4}u + 2u] = g{j}[2];
    partials[weights + {j*4}u + 3u] = g{j}[3];
#end
    if (local_column == 0u) {
      var sum = vec4f();
#for i in 0..TILE_SAMPLES
      sum += (e{i}[0] + e{i}[1]) + (e{i}[2] + e{i}[3]);
#end
      partials[partial + HEAD_BIAS / 4u + first_head + n] = sum;
    }
  }
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  let dz{i}_{j} = tanh_gradient(d{i}_{j}, h{i}_{j});
#end
#end
#if FIRST
#include "common/first_layer_gradient.wgsl"
#else
  let to_row = (tower * SAMPLE_BLOCKS + row) * OUTPUT_BLOCKS + column;
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
  delta[to_row + {i}u * OUTPUT_BLOCKS + {j}u] = dz{i}_{j};
#end
#end
#end
}
