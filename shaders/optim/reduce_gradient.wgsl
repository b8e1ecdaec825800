#include "common/workgroup.wgsl"

// Adds the partial gradients in fixed order, and sums their squares per workgroup for the global norm. The last
// workgroup adds the loss terms of the minibatch to eight sums, kept behind the squares.

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;

const LANES: u32 = 64u;
const SMALL: u32 = SMALL_LENGTH / 4u;
const LARGE: u32 = LARGE_LENGTH / 4u;
const LENGTH: u32 = SMALL + LARGE;

var<workgroup> shared_squares: array<f32, LANES>;
var<workgroup> shared_terms: array<vec4f, 2u * LANES>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let workgroup = linear_workgroup(group, groups);
  var square = 0.0;
  for (var n = 0u; n < VECTORS; n++) {
    let at = (workgroup * VECTORS + n) * LANES + lane;
    if (at < LENGTH) {
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
  shared_squares[lane] = square;
  var policy = vec4f();
  var value = vec4f();
  if (workgroup == SQUARES) {
    for (var block = lane; block < SAMPLE_BLOCKS; block += LANES) {
      policy += partials[STATISTICS_BASE / 4u + block * 2u];
      value += partials[STATISTICS_BASE / 4u + block * 2u + 1u];
    }
  }
  shared_terms[lane] = policy;
  shared_terms[LANES + lane] = value;
  workgroupBarrier();
  if (lane == 0u && workgroup < SQUARES) {
    var total = 0.0;
    for (var i = 0u; i < LANES; i++) {
      total += shared_squares[i];
    }
    squares[workgroup] = total;
  }
  if (lane == 0u && workgroup == SQUARES) {
    for (var i = 1u; i < LANES; i++) {
      policy += shared_terms[i];
      value += shared_terms[LANES + i];
    }
    squares[SQUARES] = policy.x;
    squares[SQUARES + 1u] = policy.y;
    squares[SQUARES + 2u] = policy.z;
    squares[SQUARES + 3u] = policy.w;
    squares[SQUARES + 4u] = value.x;
  }
}
