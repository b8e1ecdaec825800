// Rotary positions, one head at a time. [position x (cosines, sines)].
@group(0) @binding(ROTATIONS_BINDING) var<storage, read> rotations: array<f32>;

const HALF_HEAD: u32 = 2u * HEAD_SIZE;

var<private> turned: array<vec4f, HEAD_SIZE>;

// The gradient's way, by minus the angle; stores the head at `to`.
fn turn_back(position: u32, to: u32) {
  for (var i = 0u; i < HALF_HEAD; i++) {
    let cosine = rotations[position * 2u * HALF_HEAD + i];
    let sine = rotations[position * 2u * HALF_HEAD + HALF_HEAD + i];
    let j = i + HALF_HEAD;
    let a = turned[i / 4u][i % 4u];
    let b = turned[j / 4u][j % 4u];
    turned[i / 4u][i % 4u] = a * cosine + b * sine;
    turned[j / 4u][j % 4u] = b * cosine - a * sine;
  }
  for (var c = 0u; c < HEAD_SIZE; c++) {
    output[to + c] = turned[c];
  }
}
