// What changes from dispatch to dispatch, as data: one 256-byte uniform slot, written by src/kernels/scalars.ts.
struct Scalars {
  seed: u32,
  // Rollout: global step (update x T) of step 0, first step and number of steps of this dispatch.
  base_step: u32,
  first_step: u32,
  step_count: u32,
  // Shuffle: update x epochs. Minibatch: first entry of its indices, and its row of the statistics.
  base_epoch: u32,
  index_offset: u32,
  statistics_row: u32,
  padding: u32,
  gamma: f32,
  lambda: f32,
  learning_rate: f32,
  clip: f32,
  value_clip: f32,
  entropy_coefficient: f32,
  value_coefficient: f32,
  max_gradient_norm: f32,
  beta1: f32,
  beta2: f32,
  beta1_complement: f32,
  beta2_complement: f32,
  epsilon: f32,
  weight_decay: f32,
  // 1 - beta^step of AdamW's bias correction.
  correction1: f32,
  correction2: f32,
  // Clip range above 1; bound of the dual clip, 0 for none; KL at which this minibatch is the last.
  clip_high: f32,
  dual_clip: f32,
  kl_limit: f32,
  // Lagrangian multiplier of the cost.
  multiplier: f32,
}

@group(0) @binding(0) var<uniform> scalars: Scalars;
