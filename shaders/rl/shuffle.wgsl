#include "common/scalars.wgsl"
#include "common/philox.wgsl"
#include "common/workgroup.wgsl"

// The order in which each epoch of an update visits its transitions: a keyed bijection (six Feistel rounds with
// cycle walking), bit for bit src/kernels/permutation.ts.

@group(0) @binding(1) var<storage, read_write> indices: array<u32>;

const COUNT: u32 = STEPS * ENVS;
const HALF_MASK: u32 = (1u << HALF_BITS) - 1u;

fn mix(value: u32) -> u32 {
  var x = value;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = linear_workgroup(group, groups) * WORKGROUP + lane;
  if (id >= COUNT * EPOCHS) {
    return;
  }
  let words = random4(scalars.seed, STREAM_SHUFFLE, scalars.base_epoch + id / COUNT, 0u);
  var value = id % COUNT;
  loop {
    var left = value >> HALF_BITS;
    var right = value & HALF_MASK;
    for (var round = 0u; round < 6u; round++) {
      let key = words[round & 3u] + round * 0x9e3779b9u;
      let next = left ^ (mix(right ^ key) & HALF_MASK);
      left = right;
      right = next;
    }
    value = (left << HALF_BITS) | right;
    if (value < COUNT) {
      break;
    }
  }
  indices[id] = value;
}
