#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"

// Causal grouped-query attention of one new token of each sequence over its cached keys and values, with a running
// maximum (Milakov and Gimelshein 2018, arXiv 1805.02867). Thread per token and head.

// (id, position, node, .) a token.
@group(0) @binding(TOKENS_BINDING) var<storage, read> tokens: array<vec4u>;
@group(0) @binding(QUERIES_BINDING) var<storage, read> queries: array<vec4f>;
// [node x (keys, values)]
@group(0) @binding(KEYS_BINDING) var<storage, read> keys: array<vec4f>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;
#include "transformer/ancestors.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linear_workgroup(group, groups) * WORKGROUP + lane;
  let token = at / HEADS;
  if (token >= batch.tokens) {
    return;
  }
  let head = at % HEADS;
  let key_at = head / SHARED * HEAD_SIZE;
#for c in 0..HEAD_SIZE
  let q{c} = queries[at * HEAD_SIZE + {c}u] * SCALE;
  var o{c} = vec4f();
#end
  var largest = -3e38;
  var total = 0.0;
  // At most two chains. The shared one comes first, so that the sum's order is that of the positions, shared or not.
  let node = tokens[batch.first + token].z;
  let own = runs[node];
  var begin = own.x;
  var last = node;
  if (own.y != NONE) {
    begin = runs[own.y].x;
    last = own.y;
  }
  loop {
    for (var s = begin; s <= last; s++) {
      let k_at = s * KEY_STRIDE + key_at;
      var score = 0.0;
#for c in 0..HEAD_SIZE
      score += dot(q{c}, keys[k_at + {c}u]);
#end
      if (score > largest) {
        let shrink = math_exp(largest - score);
        total *= shrink;
#for c in 0..HEAD_SIZE
        o{c} *= shrink;
#end
        largest = score;
      }
      let p = math_exp(score - largest);
      total += p;
#for c in 0..HEAD_SIZE
      o{c} += p * keys[k_at + VALUE_OFFSET + {c}u];
#end
    }
    if (last == node) {
      break;
    }
    begin = own.x;
    last = node;
  }
#for c in 0..HEAD_SIZE
  output[at * HEAD_SIZE + {c}u] = o{c} / total;
#end
}
