// An MLP actor-critic in padded 4 x 4 blocks (src/nn/blocked-layout.ts). A weight block is a mat4x4f whose
// column c is output 4 o + c, with four consecutive inputs as its rows; blocks are ordered [output][input].
// An activation block's column is a sample, its rows four consecutive features; blocks are [sample][feature].
// So z = transpose(W) x, dx = W dz, dW = x transpose(dz). Padding holds zeros, and gradients keep it so.

// dz = dh * (1 - h^2), with h = tanh z.
fn tanh_gradient(d: mat4x4f, h: mat4x4f) -> mat4x4f {
  return mat4x4f(
    d[0] * (1.0 - h[0] * h[0]),
    d[1] * (1.0 - h[1] * h[1]),
    d[2] * (1.0 - h[2] * h[2]),
    d[3] * (1.0 - h[3] * h[3]),
  );
}
