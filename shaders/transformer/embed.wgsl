#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// The residual stream's start: row m is the embedding of token m. Thread per four features.

@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
#if PROMPT
// Ids from VOCABULARY on are a soft prompt's.
@group(0) @binding(ADAPTERS_BINDING) var<storage, read> adapters: array<vec4f>;
#end
@group(0) @binding(TOKENS_BINDING) var<storage, read> tokens: array<vec4u>;
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
  let id = tokens[batch.first + row].x;
#if PROMPT
  if (id >= VOCABULARY) {
    output[at] = adapters[PROMPT_AT + (id - VOCABULARY) * WIDTH + at % WIDTH];
    return;
  }
#end
  output[at] = parameters[EMBEDDING + id * WIDTH + at % WIDTH];
}
