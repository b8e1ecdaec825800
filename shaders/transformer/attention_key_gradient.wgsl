#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"

// Gradients of keys (turned back) and values; thread per token and key head. Whoever attends to a token is the token
// itself and what follows it in its subtree, which is contiguous: up to tokens[].z.

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
  let token = at / KEY_HEADS;
  if (token >= batch.tokens) {
    return;
  }
  let key_head = at % KEY_HEADS;
  let k_at = token * KEY_STRIDE + KEY_OFFSET + key_head * HEAD_SIZE;
#for c in 0..HEAD_SIZE
  let k{c} = keys[k_at + {c}u];
  let v{c} = keys[k_at + VALUE_OFFSET + {c}u];
  var dk{c} = vec4f();
  var dv{c} = vec4f();
#end
  let info = tokens[token];
  for (var t = token; t < info.z; t++) {
    for (var head = key_head * SHARED; head < (key_head + 1u) * SHARED; head++) {
      let query = t * HEADS + head;
      var score = 0.0;
      var dp = 0.0;
#for c in 0..HEAD_SIZE
      let q{c} = keys[t * KEY_STRIDE + head * HEAD_SIZE + {c}u];
      let o{c} = gradient[query * HEAD_SIZE + {c}u];
      score += dot(q{c}, k{c});
      dp += dot(o{c}, v{c});
#end
      let p = math_exp(score * SCALE - statistics[t * STATISTICS + head]);
      let ds = p * (dp - statistics[t * STATISTICS + HEADS + head]) * SCALE;
#for c in 0..HEAD_SIZE
      dk{c} += ds * q{c};
      dv{c} += p * o{c};
#end
    }
  }
  var projection = 0.0;
#for c in 0..HEAD_SIZE
  projection += dot(dk{c}, k{c}) + dot(dv{c}, v{c});
  turned[{c}] = dk{c};
  output[k_at + VALUE_OFFSET + {c}u] = dv{c};
#end
  statistics[token * STATISTICS + 3u * HEADS + key_head] = projection;
  turn_back(info.y);
#for c in 0..HEAD_SIZE
  output[k_at + {c}u] = turned[{c}];
#end
}
