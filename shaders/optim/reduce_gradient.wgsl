#include "common/workgroup.wgsl"

// Adds the partial gradients in fixed order, and the squares of each thread's sums for the global norm. Threads
// behind the last vector add the loss terms of the minibatch, kept behind the squares.

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;

const SMALL: u32 = SMALL_LENGTH / 4u;
const LARGE: u32 = LARGE_LENGTH / 4u;
const LENGTH: u32 = SMALL + LARGE;
// Ranges of the sample blocks whose loss terms are added apart.
const TERM_RANGES: u32 = 16u;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linear_workgroup(group, groups) * WORKGROUP + lane;
  var square = 0.0;
  for (var n = 0u; n < VECTORS; n++) {
    let at = n * SQUARES + thread;
    if (thread < SQUARES && at < LENGTH) {
      let small = at < SMALL;
      let count = select(SPLITS, SMALL_PARTIALS, small);
      let stride = select(LARGE, SMALL, small);
      var source = select(SMALL_PARTIALS * SMALL + at - SMALL, at, small);
      var sum = vec4f();
      for (var p = 0u; p < count; p++) {
        sum += partials[source];
        source += stride;
      }
      gradients[at] = sum;
      square += dot(sum, sum);
    }
  }
  if (thread < SQUARES) {
    squares[thread] = square;
  }
  let range = thread - SQUARES;
  if (thread >= SQUARES && range < TERM_RANGES) {
    var policy = vec4f();
    var value = vec4f();
    for (var block = range; block < SAMPLE_BLOCKS; block += TERM_RANGES) {
      policy += partials[STATISTICS_BASE / 4u + block * 2u];
      value += partials[STATISTICS_BASE / 4u + block * 2u + 1u];
    }
    let at = SQUARES + range * 5u;
    squares[at] = policy.x;
    squares[at + 1u] = policy.y;
    squares[at + 2u] = policy.z;
    squares[at + 3u] = policy.w;
    squares[at + 4u] = value.x;
  }
}
