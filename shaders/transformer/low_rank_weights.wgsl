#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// Gradients of A, [(part, rank) x inputs], and of each part's B, [outputs x rank], added to those of the micro-batches
// before. Thread per four of them.

#if NORM
@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(INVERSES_BINDING) var<storage, read> inverses: array<f32>;
#end
@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<f32>;
@group(0) @binding(INPUT_BINDING) var<storage, read> input: array<vec4f>;
@group(0) @binding(LOW_BINDING) var<storage, read> low: array<vec4f>;
@group(0) @binding(LOW_GRADIENT_BINDING) var<storage, read> low_gradient: array<f32>;
@group(0) @binding(GRADIENTS_BINDING) var<storage, read_write> gradients: array<vec4f>;

const A_THREADS: u32 = 4u * LOW * INPUTS;

fn add(at: u32, sum: vec4f) {
  gradients[at] = select(sum, gradients[at] + sum, batch.accumulate == 1u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linear_workgroup(group, groups) * WORKGROUP + lane;
  var sum = vec4f();
  if (at < A_THREADS) {
    let r = at / INPUTS;
    let i = at % INPUTS;
    for (var row = 0u; row < batch.tokens; row++) {
#if NORM
      sum += low_gradient[row * 4u * LOW + r] * inverses[row] * input[row * INPUTS + i];
#else
      sum += low_gradient[row * 4u * LOW + r] * input[row * INPUTS + i];
#end
    }
#if NORM
    sum *= parameters[batch.layer + GAIN + i];
#end
    add(batch.adapter + A + at, sum);
    return;
  }
  var n = at - A_THREADS;
#for p in 0..PARTS
  if (n < (PART_END_{p} - PART_BEGIN_{p}) * RANK) {
    for (var row = 0u; row < batch.tokens; row++) {
      sum += gradient[row * OUTPUTS + PART_BEGIN_{p} + n / RANK] * low[row * LOW + {p}u * RANK + n % RANK];
    }
    add(batch.adapter + PART_B_{p} + n, batch.adapter_scale * sum);
    return;
  }
  n -= (PART_END_{p} - PART_BEGIN_{p}) * RANK;
#end
}
