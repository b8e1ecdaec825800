// Box-Muller: a standard normal number of two random words. Twin: src/kernels/normal.ts. Needs common/math.wgsl.
fn random_normal(first: u32, second: u32) -> f32 {
  let u = f32(16777216u - (first >> 8u)) * 5.9604644775390625e-8;
  let radius = sqrt(-2.0 * math_log(u));
  return radius * math_cos(6.2831855 * (f32(second >> 8u) * 5.9604644775390625e-8));
}
