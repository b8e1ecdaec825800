#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// alpha / rank B^T dy: the gradient of low_rank.wgsl's results. Thread per row and four of them.

@group(0) @binding(ADAPTERS_BINDING) var<storage, read> adapters: array<vec4f>;
@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(LOW_GRADIENT_BINDING) var<storage, read_write> low_gradient: array<vec4f>;

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
  let part = at % LOW / RANK;
  let k = at % RANK;
  var sum = vec4f();
#for p in 0..PARTS
  if (part == {p}u) {
    for (var column = PART_BEGIN_{p}; column < PART_END_{p}; column += 4u) {
      let y = gradient[(row * OUTPUTS + column) / 4u];
      let b = batch.adapter + PART_B_{p} + (column - PART_BEGIN_{p}) * RANK + k;
      sum += (y.x * adapters[b] + y.y * adapters[b + RANK]) + (y.z * adapters[b + 2u * RANK] + y.w * adapters[b + 3u * RANK]);
    }
  }
#end
  low_gradient[at] = batch.adapter_scale * sum;
}
