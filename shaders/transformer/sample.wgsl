#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"
#include "common/math.wgsl"
#include "common/philox.wgsl"

// Gumbel-max over the allowed ids (twins: src/kernels/gumbel.ts, src/lm/sampling.ts), the log-probabilities, and the
// next row of the token table. Thread per sequence.

@group(0) @binding(LOGITS_BINDING) var<storage, read> logits: array<f32>;
// (id, position, node, tokens left to emit)
@group(0) @binding(TOKENS_BINDING) var<storage, read_write> tokens: array<vec4u>;
// Two a sequence: (seed, temperature, k of top-k, p of top-p), (p of min-p, 1 where there are filters, 1 where there is a
// bias, .); floats by their bits.
@group(0) @binding(REQUESTS_BINDING) var<storage, read> requests: array<vec4u>;
// [sequence x 2 x MASK_WORDS], bit i of an id's word: ids of the policy's distribution, and those that may come next.
@group(0) @binding(ALLOWED_BINDING) var<storage, read> allowed: array<u32>;
// [step x sequence]: (id, bits of the log-probability, of the sampler's, .)
@group(0) @binding(SAMPLES_BINDING) var<storage, read_write> samples: array<vec4u>;
@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(OUTPUT_BINDING) var<storage, read_write> output: array<vec4f>;

// [sequence x VOCABULARY], added to the logits; read where a request has one.
@group(0) @binding(BIASES_BINDING) var<storage, read> biases: array<f32>;

const STREAM_TOKEN: u32 = 7u;

fn is_allowed(row: u32, id: u32) -> bool {
  return ((allowed[2u * row * MASK_WORDS + id / 32u] >> (id % 32u)) & 1u) == 1u;
}

fn may_come(row: u32, id: u32) -> bool {
  return ((allowed[(2u * row + 1u) * MASK_WORDS + id / 32u] >> (id % 32u)) & 1u) == 1u;
}

/** Logit with bias, over the temperature unless that is 0. */
fn scaled(row: u32, id: u32, temperature: f32, has_bias: bool) -> f32 {
  var value = logits[row * LOGITS_WIDTH + id];
  if (has_bias) {
    value += biases[row * VOCABULARY + id];
  }
  return select(value / temperature, value, temperature == 0.0);
}

/** Unsigned numbers in the order of the floats. */
fn order_of(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

/** Order of the smallest value that the filters leave (twin: src/lm/token-filter.ts), found bit by bit. */
fn filter_threshold(row: u32, temperature: f32, has_bias: bool, first: vec4u, second: vec4u, largest: f32) -> u32 {
  var threshold = 0u;
  if (first.z > 0u) {
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
      let candidate = threshold | bit;
      var count = 0u;
      for (var id = 0u; id < VOCABULARY; id++) {
        if (may_come(row, id) && order_of(scaled(row, id, temperature, has_bias)) >= candidate) {
          count++;
        }
      }
      threshold = select(threshold, candidate, count >= first.z);
    }
  }
  let top_p = bitcast<f32>(first.w);
  if (top_p < 1.0) {
    var total = 0.0;
    for (var id = 0u; id < VOCABULARY; id++) {
      let value = scaled(row, id, temperature, has_bias);
      if (may_come(row, id) && order_of(value) >= threshold) {
        total += math_exp(value - largest);
      }
    }
    var crossing = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
      let candidate = crossing | bit;
      var mass = 0.0;
      for (var id = 0u; id < VOCABULARY; id++) {
        let value = scaled(row, id, temperature, has_bias);
        if (may_come(row, id) && order_of(value) >= max(candidate, threshold)) {
          mass += math_exp(value - largest);
        }
      }
      crossing = select(crossing, candidate, mass >= top_p * total);
    }
    threshold = max(threshold, crossing);
  }
  let min_p = bitcast<f32>(second.x);
  if (min_p > 0.0) {
    threshold = max(threshold, order_of(largest + math_log(min_p)));
  }
  return threshold;
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
  let request = requests[2u * row];
  let shaping = requests[2u * row + 1u];
  let has_bias = shaping.z == 1u;
  let temperature = bitcast<f32>(request.y);
  let base = row * LOGITS_WIDTH;
  var chosen = 0u;
  var best = -3e38;
  // Over the ids of the policy's distribution, and over those that may come, with bias and temperature.
  var largest = -3e38;
  var likeliest = -3e38;
  for (var id = 0u; id < VOCABULARY; id++) {
    if (is_allowed(row, id)) {
      largest = max(largest, logits[base + id]);
    }
    if (may_come(row, id)) {
      likeliest = max(likeliest, scaled(row, id, temperature, has_bias));
    }
  }
  var threshold = 0u;
  if (temperature > 0.0 && shaping.y == 1u) {
    threshold = filter_threshold(row, temperature, has_bias, request, shaping, likeliest);
  }
  for (var block = 0u; block < VOCABULARY; block += 4u) {
    var noise = vec4u();
    if (temperature > 0.0) {
      noise = random4(request.x, STREAM_TOKEN, token.y + 1u, block / 4u);
    }
    for (var id = block; id < min(block + 4u, VOCABULARY); id++) {
      if (may_come(row, id)) {
        var value = scaled(row, id, temperature, has_bias);
        if (order_of(value) >= threshold) {
          if (temperature > 0.0) {
            value += gumbel(noise[id - block]);
          }
          if (value > best) {
            best = value;
            chosen = id;
          }
        }
      }
    }
  }
  var total = 0.0;
  var total_scaled = 0.0;
  for (var id = 0u; id < VOCABULARY; id++) {
    if (is_allowed(row, id)) {
      total += math_exp(logits[base + id] - largest);
    }
    if (temperature > 0.0 && may_come(row, id)) {
      let value = scaled(row, id, temperature, has_bias);
      if (order_of(value) >= threshold) {
        total_scaled += math_exp(value - likeliest);
      }
    }
  }
  let log_probability = logits[base + chosen] - largest - math_log(total);
  var sampler = 0.0;
  if (temperature > 0.0) {
    sampler = scaled(row, chosen, temperature, has_bias) - likeliest - math_log(total_scaled);
  }
  samples[batch.step * batch.tokens + row] = vec4u(
    chosen,
    bitcast<u32>(log_probability),
    bitcast<u32>(sampler),
    0u,
  );
  // A sequence that may emit no more in this submit stays where it is, and computes its last token again: the same keys
  // and values, for the submit in which it may go on.
  let goes_on = token.w > 1u;
  if (goes_on) {
    tokens[row] = vec4u(chosen, token.y + 1u, token.z + 1u, token.w - 1u);
  }
  let input = select(token.x, chosen, goes_on);
  for (var c = 0u; c < WIDTH; c++) {
    output[row * WIDTH + c] = parameters[EMBEDDING + input * WIDTH + c];
  }
}
