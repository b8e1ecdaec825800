// What changes from dispatch to dispatch, as data: one uniform slot, written by src/kernels/token-batch.ts.
struct Batch {
  // Rows of this dispatch: tokens, and those of them whose next token is predicted.
  tokens: u32,
  predictions: u32,
  // First row of the token table, and step of a decode.
  first: u32,
  step: u32,
  // Elements (vec4f) from the first layer's weights to this layer's.
  layer: u32,
  // Elements (vec4f) from the first layer's adapters to this layer's.
  adapter: u32,
  // First id of the head's chunk.
  chunk: u32,
  // 1: add to the gradient of the micro-batches before.
  accumulate: u32,
  // Kind and KL estimator by src/kernels/token-objective.ts: 0 likelihood, 1 policy, 2 cispo, 3 sapo; 0 k1, 1 k2, 2 k3, 3 k3+.
  objective: u32,
  estimator: u32,
  clip_low: f32,
  clip_high: f32,
  // 0: none.
  dual_clip: f32,
  entropy_coefficient: f32,
  gate_positive: f32,
  gate_negative: f32,
  // 0: no KL term.
  kl_coefficient: f32,
  // alpha / rank of the adapters; 0 leaves them out.
  adapter_scale: f32,
  // 0: none; and the same over the number of allowed ids.
  label_smoothing: f32,
  smoothing_share: f32,
}

@group(0) @binding(0) var<uniform> batch: Batch;

const NONE: u32 = 0xffffffffu;
