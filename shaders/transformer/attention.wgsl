#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"

// Causal grouped-query attention along the tokens' paths, with a running maximum (Milakov and Gimelshein 2018, arXiv
// 1805.02867). Thread per BLOCK tokens and head: tokens of one chain share the loads of their keys.

// [token x (queries, keys, values)]
@group(0) @binding(KEYS_BINDING) var<storage, read> keys: array<vec4f>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;
// A token's log sums of exponentials, then what the backward pass adds.
@group(0) @binding(STATISTICS_BINDING) var<storage, read_write> statistics: array<f32>;
#include "transformer/ancestors.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linear_workgroup(group, groups) * WORKGROUP + lane;
  let first = at / HEADS * BLOCK;
  if (first >= batch.tokens) {
    return;
  }
  let head = at % HEADS;
  let key_at = KEY_OFFSET + head / SHARED * HEAD_SIZE;
#for i in 0..BLOCK
  let q_at{i} = (first + {i}u) * KEY_STRIDE + head * HEAD_SIZE;
#for c in 0..HEAD_SIZE
  let q{i}_{c} = keys[q_at{i} + {c}u] * SCALE;
  var o{i}_{c} = vec4f();
#end
  var largest{i} = -3e38;
  var total{i} = 0.0;
#end
  let end = min(first + BLOCK, batch.tokens);
  var from_token = first;
  while (from_token < end) {
    // Tokens of one unbroken chain.
    var to = from_token;
    while (to + 1u < end && runs[to + 1u].x <= from_token) {
      to++;
    }
    // From the root's chain on: the sum's order is that of the positions, whatever the tokens share with others.
    var depth = 0u;
    for (var n = runs[runs[to].x].y; n != NONE; n = runs[runs[n].x].y) {
      depth++;
    }
    loop {
      var last = to;
      for (var n = 0u; n < depth; n++) {
        last = runs[runs[last].x].y;
      }
      for (var s = runs[last].x; s <= last; s++) {
        let k_at = s * KEY_STRIDE + key_at;
#for i in 0..BLOCK
        var score{i} = 0.0;
#end
#for c in 0..HEAD_SIZE
        let k{c} = keys[k_at + {c}u];
#for i in 0..BLOCK
        score{i} += dot(q{i}_{c}, k{c});
#end
#end
#for i in 0..BLOCK
        let seen{i} = first + {i}u >= max(from_token, s) && first + {i}u <= to;
        if (seen{i} && score{i} > largest{i}) {
          let shrink = math_exp(largest{i} - score{i});
          total{i} *= shrink;
#for c in 0..HEAD_SIZE
          o{i}_{c} *= shrink;
#end
          largest{i} = score{i};
        }
        let p{i} = select(0.0, math_exp(score{i} - largest{i}), seen{i});
        total{i} += p{i};
#end
#for c in 0..HEAD_SIZE
        let v{c} = keys[k_at + VALUE_OFFSET + {c}u];
#for i in 0..BLOCK
        o{i}_{c} += p{i} * v{c};
#end
#end
      }
      if (depth == 0u) {
        break;
      }
      depth--;
    }
    from_token = to + 1u;
  }
#for i in 0..BLOCK
  if (first + {i}u < end) {
#for c in 0..HEAD_SIZE
    output[((first + {i}u) * HEADS + head) * HEAD_SIZE + {c}u] = o{i}_{c} / total{i};
#end
    statistics[(first + {i}u) * STATISTICS + head] = largest{i} + math_log(total{i});
  }
#end
}
