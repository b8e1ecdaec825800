#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"

// Gradients of keys (turned back) and values; thread per BLOCK tokens and key head. Whoever attends to a token is the
// token itself and what follows it in its subtree, which is contiguous: up to tokens[].z.

@group(0) @binding(TOKENS_BINDING) var<storage, read> tokens: array<vec4u>;
@group(0) @binding(KEYS_BINDING) var<storage, read> keys: array<vec4f>;
@group(0) @binding(GRADIENT_BINDING) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(STATISTICS_BINDING) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;
#include "transformer/rotate.wgsl"

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linear_workgroup(group, groups) * WORKGROUP + lane;
  let first = at / KEY_HEADS * BLOCK;
  if (first >= batch.tokens) {
    return;
  }
  let key_head = at % KEY_HEADS;
  var end = 0u;
#for i in 0..BLOCK
  let k_at{i} = (first + {i}u) * KEY_STRIDE + KEY_OFFSET + key_head * HEAD_SIZE;
  // Beyond the last token: seen by nobody.
  let end{i} = select(0u, tokens[first + {i}u].z, first + {i}u < batch.tokens);
  end = max(end, end{i});
#for c in 0..HEAD_SIZE
  let k{i}_{c} = keys[k_at{i} + {c}u];
  let v{i}_{c} = keys[k_at{i} + VALUE_OFFSET + {c}u];
  var dk{i}_{c} = vec4f();
  var dv{i}_{c} = vec4f();
#end
#end
  for (var t = first; t < end; t++) {
    for (var head = key_head * SHARED; head < (key_head + 1u) * SHARED; head++) {
      let q_at = t * KEY_STRIDE + head * HEAD_SIZE;
      let o_at = (t * HEADS + head) * HEAD_SIZE;
      let log_sum = statistics[t * STATISTICS + head];
      let inner = statistics[t * STATISTICS + HEADS + head];
#for i in 0..BLOCK
      var score{i} = 0.0;
      var dp{i} = 0.0;
#end
#for c in 0..HEAD_SIZE
      let q{c} = keys[q_at + {c}u];
      let o{c} = gradient[o_at + {c}u];
#for i in 0..BLOCK
      score{i} += dot(q{c}, k{i}_{c});
      dp{i} += dot(o{c}, v{i}_{c});
#end
#end
#for i in 0..BLOCK
      let seen{i} = t >= first + {i}u && t < end{i};
      let p{i} = select(0.0, math_exp(score{i} * SCALE - log_sum), seen{i});
      let ds{i} = p{i} * (dp{i} - inner) * SCALE;
#for c in 0..HEAD_SIZE
      dk{i}_{c} += ds{i} * q{c};
      dv{i}_{c} += p{i} * o{c};
#end
#end
    }
  }
#for i in 0..BLOCK
  if (first + {i}u < batch.tokens) {
    var projection = 0.0;
#for c in 0..HEAD_SIZE
    projection += dot(dk{i}_{c}, k{i}_{c}) + dot(dv{i}_{c}, v{i}_{c});
    turned[{c}] = dk{i}_{c};
    output[k_at{i} + VALUE_OFFSET + {c}u] = dv{i}_{c};
#end
    statistics[(first + {i}u) * STATISTICS + 3u * HEADS + key_head] = projection;
    turn_back(tokens[first + {i}u].y, k_at{i});
  }
#end
}
