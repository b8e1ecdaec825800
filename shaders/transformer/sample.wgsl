#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"
#include "common/philox.wgsl"

// Gumbel-max over the allowed ids (twins: src/kernels/gumbel.ts, src/lm/sampling.ts), the log-probabilities, and the
// next row of the token table. Thread per sequence.

@group(0) @binding(LOGITS_BINDING) var<storage, read> logits: array<f32>;
// (id, position, node, tokens left to emit)
@group(0) @binding(TOKENS_BINDING) var<storage, read_write> tokens: array<vec4u>;
// (seed, temperature's bits, ., .)
@group(0) @binding(REQUESTS_BINDING) var<storage, read> requests: array<vec4u>;
// [sequence x MASK_WORDS], bit i of an id's word.
@group(0) @binding(ALLOWED_BINDING) var<storage, read> allowed: array<u32>;
// [step x sequence]: (id, bits of the log-probability, of the sampler's, .)
@group(0) @binding(SAMPLES_BINDING) var<storage, read_write> samples: array<vec4u>;
@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;

const STREAM_TOKEN: u32 = 7u;

fn is_allowed(row: u32, id: u32) -> bool {
  return ((allowed[row * MASK_WORDS + id / 32u] >> (id % 32u)) & 1u) == 1u;
}

fn gumbel(word: u32) -> f32 {
  let u = (f32(word >> 9u) + 0.5) * 1.1920928955078125e-7;
  return -math_log(-math_log(u));
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = linear_workgroup(group, groups) * WORKGROUP + lane;
  if (row >= batch.tokens) {
    return;
  }
  let token = tokens[row];
  let request = requests[row];
  let temperature = bitcast<f32>(request.y);
  let base = row * LOGITS_WIDTH;
  var chosen = 0u;
  var best = -3e38;
  var largest = -3e38;
  for (var block = 0u; block < VOCABULARY; block += 4u) {
    var noise = vec4u();
    if (temperature > 0.0) {
      noise = random4(request.x, STREAM_TOKEN, token.y + 1u, block / 4u);
    }
    for (var id = block; id < min(block + 4u, VOCABULARY); id++) {
      if (is_allowed(row, id)) {
        let logit = logits[base + id];
        largest = max(largest, logit);
        var value = logit;
        if (temperature > 0.0) {
          value = logit / temperature + gumbel(noise[id - block]);
        }
        if (value > best) {
          best = value;
          chosen = id;
        }
      }
    }
  }
  var total = 0.0;
  var total_scaled = 0.0;
  for (var id = 0u; id < VOCABULARY; id++) {
    if (is_allowed(row, id)) {
      let shifted = logits[base + id] - largest;
      total += math_exp(shifted);
      if (temperature > 0.0 && temperature != 1.0) {
        total_scaled += math_exp(shifted / temperature);
      }
    }
  }
  let shifted = logits[base + chosen] - largest;
  let log_probability = shifted - math_log(total);
  var sampler = log_probability;
  if (temperature == 0.0) {
    sampler = 0.0;
  } else if (temperature != 1.0) {
    sampler = shifted / temperature - math_log(total_scaled);
  }
  samples[batch.step * batch.tokens + row] = vec4u(
    chosen,
    bitcast<u32>(log_probability),
    bitcast<u32>(sampler),
    0u,
  );
  // A sequence that may emit no more stays where it is: its node is the last that belongs to it.
  if (token.w > 1u) {
    tokens[row] = vec4u(chosen, token.y + 1u, token.z + 1u, token.w - 1u);
    for (var c = 0u; c < WIDTH; c++) {
      output[row * WIDTH + c] = parameters[EMBEDDING + chosen * WIDTH + c];
    }
  }
}
