#include "common/scalars.wgsl"
#include "common/math.wgsl"
#include "common/workgroup.wgsl"
#include "common/network.wgsl"
#if QUADS
#include "common/quads.wgsl"
#end
#include "common/gather.wgsl"

// The last hidden layer, the heads, the PPO loss and the way back to the last layer's dz, in one dispatch without
// barriers: a thread owns TILE_SAMPLES blocks of samples across the whole width. It leaves h in `delta`, and comes
// back over it with dz once the loss is known. Also writes the heads' gradients, a partial sum for every thread.

@group(0) @binding(1) var<storage, read> parameters: array<mat4x4f>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> transitions: array<u32>;
@group(0) @binding(4) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> delta: array<mat4x4f>;
#if FIRST
@group(0) @binding(7) var<storage, read> observations: array<vec4f>;
#else
@group(0) @binding(7) var<storage, read> input: array<mat4x4f>;
#end

const ROWS: u32 = SAMPLE_BLOCKS / TILE_SAMPLES;

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
  let tile_row = linear_workgroup(group, groups) * WORKGROUP + lane;
  if (tile_row >= TOWERS * ROWS) {
    return;
  }
#if QUADS
  // Lanes of a quad have the same outputs, and rows side by side.
  let member = lane % 4u;
#end
  let row = tile_row % ROWS * TILE_SAMPLES;
  let tower = tile_row / ROWS;
  // Separate towers: the first has the actor's heads, the second the critic's. One trunk has all.
  let first_head = select(0u, ACTOR_BLOCKS, tower == 1u);
  let heads = select(TOWER_HEADS, 1u, tower == 1u);
#for n in 0..TOWER_HEADS
  let head_row{n} = min(first_head + {n}u, HEAD_BLOCKS - 1u);
  let head_weight{n} = HEAD_WEIGHT / 16u + head_row{n} * OUTPUT_BLOCKS;
  let head_bias{n} = parameters[(HEAD_BIAS / 4u + head_row{n}) / 4u][(HEAD_BIAS / 4u + head_row{n}) % 4u];
#for i in 0..TILE_SAMPLES
  var p{i}_{n} = mat4x4f(head_bias{n}, head_bias{n}, head_bias{n}, head_bias{n});
#end
#end
#if FIRST
#for i in 0..TILE_SAMPLES
  let samples{i} = gather_rows(row + {i}u);
#end
#else
  let from_row = (tower * SAMPLE_BLOCKS + row) * INPUT_BLOCKS;
#end
  let to_row = (tower * SAMPLE_BLOCKS + row) * OUTPUT_BLOCKS;

  for (var column = 0u; column < OUTPUT_BLOCKS; column += TILE_OUTPUTS) {
    let weight = (WEIGHT + tower * TOWER_STRIDE) / 16u + column * INPUT_BLOCKS;
    let bias = (BIAS + tower * TOWER_STRIDE) / 4u + column;
#for j in 0..TILE_OUTPUTS
    let b{j} = parameters[(bias + {j}u) / 4u][(bias + {j}u) % 4u];
#for i in 0..TILE_SAMPLES
    var z{i}_{j} = mat4x4f(b{j}, b{j}, b{j}, b{j});
#end
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
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
    let h{i}_{j} = math_tanh4x4(z{i}_{j});
    delta[to_row + {i}u * OUTPUT_BLOCKS + column + {j}u] = h{i}_{j};
#end
#end
#for n in 0..TOWER_HEADS
#for j in 0..TILE_OUTPUTS
#if QUADS
    let v{n}_{j} = transpose(spread(parameters[head_weight{n} + column + {j}u][member]));
#else
    let v{n}_{j} = transpose(parameters[head_weight{n} + column + {j}u]);
#end
#for i in 0..TILE_SAMPLES
    p{i}_{n} += v{n}_{j} * h{i}_{j};
#end
#end
#end
  }

  var products: array<mat4x4f, TILE_SAMPLES * TOWER_HEADS>;
#for n in 0..TOWER_HEADS
#for i in 0..TILE_SAMPLES
  products[{i}u * TOWER_HEADS + {n}u] = transpose(p{i}_{n});
#end
#end
  for (var i = 0u; i < TILE_SAMPLES; i++) {
#for n in 0..TOWER_HEADS
    let outputs{n} = products[i * TOWER_HEADS + {n}u];
#for c in 0..4
    head_output[{n*4}u + {c}u] = outputs{n}[{c}];
    head_gradient[{n*4}u + {c}u] = vec4f();
#end
#end
    let block = row + i;
    let rows = gather_rows(block);
    let live = select(vec4f(), vec4f(1.0), vec4u(block * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(BATCH));
    let sums = STATISTICS_BASE / 4u + block * 2u;
    if (tower == 0u) {
      partials[sums] = policy_loss(rows, live);
    }
    if (tower == TOWERS - 1u) {
      partials[sums + 1u] = vec4f(value_loss(rows, live), 0.0, 0.0, 0.0);
    }
#for n in 0..TOWER_HEADS
    products[i * TOWER_HEADS + {n}u] = mat4x4f(
#for c in 0..4
      head_gradient[{n*4}u + {c}u],
#end
    );
#end
  }

  let partial = tile_row % ROWS * (SMALL_LENGTH / 4u);
#for n in 0..TOWER_HEADS
  // Columns of t are outputs, of e samples.
#for i in 0..TILE_SAMPLES
  var t{i}_{n} = products[{i}u * TOWER_HEADS + {n}u];
  let e{i}_{n} = transpose(t{i}_{n});
#if GAUSSIAN
  // The logarithms of the deviations have biases and no weights.
#for d in 0..DIMENSIONS
  if ({n}u == (DIMENSIONS + {d}u) / 4u && tower == 0u) {
    t{i}_{n}[(DIMENSIONS + {d}u) % 4u] = vec4f();
  }
#end
#end
#end
  if ({n}u < heads) {
    var sum = vec4f();
#for i in 0..TILE_SAMPLES
    sum += (e{i}_{n}[0] + e{i}_{n}[1]) + (e{i}_{n}[2] + e{i}_{n}[3]);
#end
    partials[partial + HEAD_BIAS / 4u + head_row{n}] = sum;
  }
#end
  for (var column = 0u; column < OUTPUT_BLOCKS; column += TILE_OUTPUTS) {
#for j in 0..TILE_OUTPUTS
#for i in 0..TILE_SAMPLES
    let h{i}_{j} = delta[to_row + {i}u * OUTPUT_BLOCKS + column + {j}u];
    var d{i}_{j} = mat4x4f();
#end
#for n in 0..TOWER_HEADS
#if QUADS
    let v{n}_{j} = spread(parameters[head_weight{n} + column + {j}u][member]);
#else
    let v{n}_{j} = parameters[head_weight{n} + column + {j}u];
#end
    var g{n}_{j} = mat4x4f();
#for i in 0..TILE_SAMPLES
    d{i}_{j} += v{n}_{j} * e{i}_{n};
    g{n}_{j} += h{i}_{j} * t{i}_{n};
#end
    if ({n}u < heads) {
      let at = partial + HEAD_WEIGHT / 4u + (head_row{n} * OUTPUT_BLOCKS + column + {j}u) * 4u;
#for c in 0..4
      partials[at + {c}u] = g{n}_{j}[{c}];
#end
    }
#end
#for i in 0..TILE_SAMPLES
    let dz{i}_{j} = tanh_gradient(d{i}_{j}, h{i}_{j});
#end
#end
#if FIRST
#include "common/first_layer_gradient.wgsl"
#else
#for i in 0..TILE_SAMPLES
#for j in 0..TILE_OUTPUTS
    delta[to_row + {i}u * OUTPUT_BLOCKS + column + {j}u] = dz{i}_{j};
#end
#end
#end
  }
}
