#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// A x of the adapters behind one input (LoRA, Hu et al. 2021, arXiv 2106.09685), [row x (part, rank)], RMS-normalised on
// the way where the projection is. Thread per row and four results.

#if NORM
@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
#end
@group(0) @binding(ADAPTERS_BINDING) var<storage, read> adapters: array<vec4f>;
@group(0) @binding(INPUT_BINDING) var<storage, read> input: array<vec4f>;
@group(0) @binding(LOW_BINDING) var<storage, read_write> low: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linear_workgroup(group, groups) * WORKGROUP + lane;
  let row = at / LOW;
  if (row >= batch.tokens) {
    return;
  }
  let a = batch.adapter + A + at % LOW * 4u * INPUTS;
  var sum = vec4f();
  var square = 0.0;
  for (var k = 0u; k < INPUTS; k++) {
    var x = input[row * INPUTS + k];
#if NORM
    square += dot(x, x);
    x *= parameters[batch.layer + GAIN + k];
#end
    sum += vec4f(
      dot(x, adapters[a + k]),
      dot(x, adapters[a + INPUTS + k]),
      dot(x, adapters[a + 2u * INPUTS + k]),
      dot(x, adapters[a + 3u * INPUTS + k]),
    );
  }
#if NORM
  sum *= 1.0 / sqrt(square / f32(4u * INPUTS) + EPSILON);
#end
  low[at] = sum;
}
