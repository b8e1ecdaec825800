// Elementary functions from + - * / alone, so that every adapter and the TypeScript twin (src/kernels/math.ts)
// agree: WGSL's own sin, cos, exp, log and tanh differ between adapters by up to 1.9e-4. Polynomials after
// Cephes (Moshier) and, for tanh, the rational approximation used by Eigen and XLA.

// (sin x, cos x) for |x| <= 8192, absolute error below 2e-7 on [-10, 10].
fn math_sin_cos(x: f32) -> vec2f {
  let q = floor(x * 0.636619772 + 0.5);
  let r = ((x - q * 1.5703125) - q * 4.837512969970703e-4) - q * 7.549790126404332e-8;
  let z = r * r;
  let s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  let c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  let quadrant = i32(q) & 3;
  let swapped = (quadrant & 1) == 1;
  let sine = select(s, c, swapped);
  let cosine = select(c, s, swapped);
  return vec2f(
    select(sine, -sine, (quadrant & 2) != 0),
    select(cosine, -cosine, ((quadrant + 1) & 2) != 0),
  );
}

fn math_sin(x: f32) -> f32 {
  return math_sin_cos(x).x;
}

fn math_cos(x: f32) -> f32 {
  return math_sin_cos(x).y;
}

// e^x; the argument is clamped to [-87, 88]. Relative error below 2e-7.
fn math_exp(x: f32) -> f32 {
  let y = clamp(x, -87.0, 88.0);
  let n = floor(y * 1.44269504 + 0.5);
  let r = (y - n * 0.693359375) + n * 2.12194440e-4;
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  return ((p * (r * r) + r) + 1.0) * bitcast<f32>((i32(n) + 127) << 23u);
}

// Natural logarithm of a positive normal number; smaller ones count as 1.1754944e-38. Relative error below 2e-7.
fn math_log(x: f32) -> f32 {
  let bits = bitcast<u32>(max(x, 1.1754944e-38));
  // Mantissa in [sqrt(1/2), sqrt 2): 0x3f3504f3 is sqrt(1/2).
  let shifted = bits - 0x3f3504f3u;
  let exponent = f32(i32(shifted) >> 23u);
  let m = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0;
  let z = m * m;
  var p = 7.0376836292e-2;
  p = p * m - 1.1514610310e-1;
  p = p * m + 1.1676998740e-1;
  p = p * m - 1.2420140846e-1;
  p = p * m + 1.4249322787e-1;
  p = p * m - 1.6668057665e-1;
  p = p * m + 2.0000714765e-1;
  p = p * m - 2.4999993993e-1;
  p = p * m + 3.3333331174e-1;
  let y = (p * m * z + exponent * -2.12194440e-4) - 0.5 * z;
  return (m + y) + exponent * 0.693359375;
}

// Hyperbolic tangent, absolute error below 3e-7.
fn math_tanh(x: f32) -> f32 {
  let y = clamp(x, -7.90531110, 7.90531110);
  let z = y * y;
  var p = -2.76076847742355e-16;
  p = p * z + 2.00018790482477e-13;
  p = p * z - 8.60467152213735e-11;
  p = p * z + 5.12229709037114e-8;
  p = p * z + 1.48572235717979e-5;
  p = p * z + 6.37261928875436e-4;
  p = p * z + 4.89352455891786e-3;
  var q = 1.19825839466702e-6;
  q = q * z + 1.18534705686654e-4;
  q = q * z + 2.26843463243900e-3;
  q = q * z + 4.89352518554385e-3;
  return (y * p) / q;
}

fn math_tanh4(x: vec4f) -> vec4f {
  let y = clamp(x, vec4f(-7.90531110), vec4f(7.90531110));
  let z = y * y;
  var p = vec4f(-2.76076847742355e-16);
  p = p * z + 2.00018790482477e-13;
  p = p * z - 8.60467152213735e-11;
  p = p * z + 5.12229709037114e-8;
  p = p * z + 1.48572235717979e-5;
  p = p * z + 6.37261928875436e-4;
  p = p * z + 4.89352455891786e-3;
  var q = vec4f(1.19825839466702e-6);
  q = q * z + 1.18534705686654e-4;
  q = q * z + 2.26843463243900e-3;
  q = q * z + 4.89352518554385e-3;
  return (y * p) / q;
}

fn math_tanh4x4(x: mat4x4f) -> mat4x4f {
  return mat4x4f(math_tanh4(x[0]), math_tanh4(x[1]), math_tanh4(x[2]), math_tanh4(x[3]));
}

fn math_exp4(x: vec4f) -> vec4f {
  return vec4f(math_exp(x.x), math_exp(x.y), math_exp(x.z), math_exp(x.w));
}

fn math_log4(x: vec4f) -> vec4f {
  return vec4f(math_log(x.x), math_log(x.y), math_log(x.z), math_log(x.w));
}
