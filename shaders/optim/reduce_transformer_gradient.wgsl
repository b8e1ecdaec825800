#include "transformer/batch.wgsl"
#include "common/workgroup.wgsl"

// Adds the partial weight gradients in fixed order, finishes those behind a norm, gathers the embedding's, and sums the
// squares for the global norm. Behind a norm the partial sums are G = dy^T (x / rms(x)): dW = G g, dg = sum_n W_n G_n.
// Thread per VECTORS vec4s, then TERM_RANGES threads for the loss terms (layout of optim/adamw.wgsl).

#if ADAPTER
#else
@group(0) @binding(PARTIALS_BINDING) var<storage, read> partials: array<vec4f>;
@group(0) @binding(PARAMETERS_BINDING) var<storage, read> parameters: array<vec4f>;
#end
// Gradient of the embedded tokens, [token x width].
@group(0) @binding(RESIDUAL_BINDING) var<storage, read> residual: array<vec4f>;
// Where each id's tokens begin, [IDS + 1], then the tokens by id.
@group(0) @binding(OCCURRENCES_BINDING) var<storage, read> occurrences: array<u32>;
@group(0) @binding(TERMS_BINDING) var<storage, read> terms: array<vec4f>;
@group(0) @binding(GRADIENTS_BINDING) var<storage, read_write> gradients: array<vec4f>;
@group(0) @binding(SQUARES_BINDING) var<storage, read_write> squares: array<f32>;

const TERM_RANGES: u32 = 16u;

// Sum over the tokens of an id.
fn embedding_gradient(id: u32, column: u32) -> vec4f {
  var sum = vec4f();
  for (var i = occurrences[id]; i < occurrences[id + 1u]; i++) {
    sum += residual[occurrences[IDS + 1u + i] * WIDTH + column];
  }
  return sum;
}

#if ADAPTER
#else
fn partial_sum(at: u32) -> vec4f {
  var sum = vec4f();
  for (var split = 0u; split < SPLITS; split++) {
    sum += partials[split * PARTIAL_LENGTH + at];
  }
  return sum;
}

fn gain_gradient(weight: u32, partial: u32, outputs: u32, column: u32) -> vec4f {
  var sum = vec4f();
  for (var n = 0u; n < outputs; n++) {
    sum += parameters[weight + n * WIDTH + column] * partial_sum(partial + n * WIDTH + column);
  }
  return sum;
}

fn gradient_of(at: u32) -> vec4f {
  let column = at % WIDTH;
  if (at < LAYERS_BEGIN) {
    var sum = embedding_gradient(at / WIDTH, column);
#if TIED
    sum += partial_sum(HEAD_PARTIAL + at) * parameters[FINAL_GAIN + column];
#end
    return sum;
  }
  if (at < FINAL_GAIN) {
    let base = at - (at - LAYERS_BEGIN) % LAYER_LENGTH;
    let place = at - base;
    if (place < QKV) {
      return gain_gradient(base + QKV, base + QKV, QKV_OUTPUTS, place);
    }
    if (place < WO) {
      return partial_sum(at) * parameters[base + (place - QKV) % WIDTH];
    }
    if (place < GAIN2) {
      return partial_sum(at);
    }
    if (place < GATE_UP) {
      return gain_gradient(base + GATE_UP, base + GATE_UP, GATE_UP_OUTPUTS, place - GAIN2);
    }
    if (place < DOWN) {
      return partial_sum(at) * parameters[base + GAIN2 + (place - GATE_UP) % WIDTH];
    }
    return partial_sum(at);
  }
  if (at < FINAL_GAIN + WIDTH) {
    return gain_gradient(HEAD, HEAD_PARTIAL, VOCABULARY, at - FINAL_GAIN);
  }
  return partial_sum(at) * parameters[FINAL_GAIN + (at - FINAL_GAIN) % WIDTH];
}

#end

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linear_workgroup(group, groups) * WORKGROUP + lane;
  if (thread < SQUARES) {
    var square = 0.0;
    for (var n = 0u; n < VECTORS; n++) {
      let at = n * SQUARES + thread;
      if (at < LENGTH) {
#if ADAPTER
        var sum = gradients[at];
        if (at >= PROMPT) {
          let more = embedding_gradient(VOCABULARY + (at - PROMPT) / WIDTH, (at - PROMPT) % WIDTH);
          sum = select(more, sum + more, batch.accumulate == 1u);
          gradients[at] = sum;
        }
#else
        var sum = gradient_of(at);
        if (batch.accumulate == 1u) {
          sum += gradients[at];
        }
        gradients[at] = sum;
#end
        square += dot(sum, sum);
      }
    }
    squares[thread] = square;
  } else if (thread < SQUARES + TERM_RANGES) {
    var sum = vec4f();
    for (var p = thread - SQUARES; p < batch.predictions; p += TERM_RANGES) {
      sum += terms[p];
    }
    let at = SQUARES + (thread - SQUARES) * 5u;
    if (batch.accumulate == 1u) {
      sum += vec4f(squares[at], squares[at + 1u], squares[at + 2u], squares[at + 3u]);
    }
    squares[at] = sum.x;
    squares[at + 1u] = sum.y;
    squares[at + 2u] = sum.z;
    squares[at + 3u] = sum.w;
    squares[at + 4u] = 0.0;
  }
}
