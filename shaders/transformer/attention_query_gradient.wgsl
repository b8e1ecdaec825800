#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"

// Gradient of the queries, turned back to before the rotary positions; thread per BLOCK tokens and head. Leaves
// dO . O for the keys' gradient, and dq . q for the norm's (matmul/linear_input_gradient.wgsl).

@group(0) @binding(TOKENS_BINDING) var<storage, read> tokens: array<vec4u>;
// [token x (queries, keys, values)]
@group(0) @binding(KEYS_BINDING) var<storage, read> keys: array<vec4f>;
@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(ATTENDED_BINDING) var<storage, read> attended: array<vec4f>;
// A token's log sums, dO . O, dq . q (all by head), dk . k + dv . v (by key head).
@group(0) @binding(STATISTICS_BINDING) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;
#include "transformer/ancestors.wgsl"
#include "transformer/rotate.wgsl"

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
  let o_at{i} = ((first + {i}u) * HEADS + head) * HEAD_SIZE;
  let log_sum{i} = statistics[(first + {i}u) * STATISTICS + head];
  var inner{i} = 0.0;
#for c in 0..HEAD_SIZE
  let q{i}_{c} = keys[q_at{i} + {c}u];
  let o{i}_{c} = gradient[o_at{i} + {c}u];
  inner{i} += dot(o{i}_{c}, attended[o_at{i} + {c}u]);
  var d{i}_{c} = vec4f();
#end
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
        var dp{i} = 0.0;
#end
#for c in 0..HEAD_SIZE
        let k{c} = keys[k_at + {c}u];
        let v{c} = keys[k_at + VALUE_OFFSET + {c}u];
#for i in 0..BLOCK
        score{i} += dot(q{i}_{c}, k{c});
        dp{i} += dot(o{i}_{c}, v{c});
#end
#end
#for i in 0..BLOCK
        let seen{i} = first + {i}u >= max(from_token, s) && first + {i}u <= to;
        let p{i} = select(0.0, math_exp(score{i} * SCALE - log_sum{i}), seen{i});
        let ds{i} = p{i} * (dp{i} - inner{i}) * SCALE;
#for c in 0..HEAD_SIZE
        d{i}_{c} += ds{i} * k{c};
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
    var projection = 0.0;
#for c in 0..HEAD_SIZE
    projection += dot(d{i}_{c}, q{i}_{c});
    turned[{c}] = d{i}_{c};
#end
    statistics[(first + {i}u) * STATISTICS + HEADS + head] = inner{i};
    statistics[(first + {i}u) * STATISTICS + 2u * HEADS + head] = projection;
    turn_back(tokens[first + {i}u].y, q_at{i});
  }
#end
}
