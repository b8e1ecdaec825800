#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"

// Gradient of the queries, turned back to before the rotary positions; thread per token and head. Leaves
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
  let token = at / HEADS;
  if (token >= batch.tokens) {
    return;
  }
  let head = at % HEADS;
  let key_at = KEY_OFFSET + head / SHARED * HEAD_SIZE;
  let q_at = token * KEY_STRIDE + head * HEAD_SIZE;
  var inner = 0.0;
#for c in 0..HEAD_SIZE
  let q{c} = keys[q_at + {c}u];
  let o{c} = gradient[at * HEAD_SIZE + {c}u];
  inner += dot(o{c}, attended[at * HEAD_SIZE + {c}u]);
  var d{c} = vec4f();
#end
  let log_sum = statistics[token * STATISTICS + head];
  statistics[token * STATISTICS + HEADS + head] = inner;
  var last = token;
  loop {
    let run = runs[last];
    for (var s = run.x; s <= last; s++) {
      let k_at = s * KEY_STRIDE + key_at;
      var score = 0.0;
      var dp = 0.0;
#for c in 0..HEAD_SIZE
      let k{c} = keys[k_at + {c}u];
      score += dot(q{c}, k{c});
      dp += dot(o{c}, keys[k_at + VALUE_OFFSET + {c}u]);
#end
      let ds = math_exp(score * SCALE - log_sum) * (dp - inner) * SCALE;
#for c in 0..HEAD_SIZE
      d{c} += ds * k{c};
#end
    }
    if (run.y == NONE) {
      break;
    }
    last = run.y;
  }
  var projection = 0.0;
#for c in 0..HEAD_SIZE
  projection += dot(d{c}, q{c});
  turned[{c}] = d{c};
#end
  statistics[token * STATISTICS + 2u * HEADS + head] = projection;
  turn_back(tokens[token].y);
#for c in 0..HEAD_SIZE
  output[q_at + {c}u] = turned[{c}];
#end
}
