// Philox4x32-10 (Salmon et al. 2011), the bit-exact twin of src/kernels/philox.ts:
// key = (seed, stream), counter = (index, step, 0, 0).

const STREAM_ACTION: u32 = 1u;
const STREAM_RESET: u32 = 2u;
const STREAM_SHUFFLE: u32 = 3u;

fn philox_multiply_high(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let mid1 = ah * bl + ((al * bl) >> 16u);
  let mid2 = al * bh + (mid1 & 0xffffu);
  return ah * bh + (mid1 >> 16u) + (mid2 >> 16u);
}

fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(
      philox_multiply_high(0xcd9e8d57u, c.z) ^ c.y ^ k.x,
      0xcd9e8d57u * c.z,
      philox_multiply_high(0xd2511f53u, c.x) ^ c.w ^ k.y,
      0xd2511f53u * c.x,
    );
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// The four words of (seed, stream, step, index).
fn random4(seed: u32, stream: u32, step: u32, index: u32) -> vec4u {
  return philox(vec4u(index, step, 0u, 0u), vec2u(seed, stream));
}

// Uniform in [0, 1) with 24 bits, exact in f32.
fn random_uniform(word: u32) -> f32 {
  return f32(word >> 8u) * 5.9604644775390625e-8;
}
