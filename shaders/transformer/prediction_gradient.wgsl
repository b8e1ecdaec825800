#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// Gradient of the residual stream's end: a token gets the sum over its predictions, tokens[m].w up to
// tokens[m + 1].w, or zero. Thread per four features.

@group(0) @binding(TOKENS_BINDING) var<storage, read> tokens: array<vec4u>;
@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linear_workgroup(group, groups) * WORKGROUP + lane;
  let row = at / WIDTH;
  if (row >= batch.tokens) {
    return;
  }
  var sum = vec4f();
  for (var p = tokens[row].w; p < tokens[row + 1u].w; p++) {
    sum += gradient[p * WIDTH + at % WIDTH];
  }
  output[at] = sum;
}
