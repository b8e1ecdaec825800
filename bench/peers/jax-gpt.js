import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, valueAndGrad } from "@jax-js/jax";
import { adam } from "./jax-adam.js";

export async function createJaxGpt(device, work) {
  const began = performance.now();
  await init(device);
  defaultDevice(device);
  const { shape, rows: B, length: T } = work;
  const { width, heads, headSize, vocabularySize, layers, normEpsilon } = shape;
  const array = (data, dims) => np.array(data.slice(), { dtype: np.float32 }).reshape([...dims]);
  const oneHot = (ids) => nn.oneHot(np.array(ids, { dtype: np.int32 }), vocabularySize);
  const half = headSize / 2;
  const signed = Float32Array.from({ length: T * headSize }, (_, i) => {
    const [t, c] = [Math.floor(i / headSize), i % headSize];
    return (c < half ? -1 : 1) * work.sines[t * half + (c % half)];
  });
  const data = {
    inputs: oneHot(work.inputs),
    targets: oneHot(work.targets),
    cosines: array(work.cosines, [1, T, 1, 1, half]),
    sines: array(signed, [1, T, 1, 2, half]),
  };
  const future = array(
    Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)),
    [1, 1, T, T],
  );
  const linear = (x, weight) => np.matmul(x, np.transpose(weight));
  const norm = (x, gain) => {
    const inverse = np.reciprocal(np.sqrt(np.square(x.ref).mean(-1, { keepdims: true }).add(normEpsilon)));
    return x.mul(inverse).mul(gain);
  };
  const rotate = (x, cosines, sines) => {
    const pairs = x.reshape([B, T, heads, 2, half]);
    return pairs.ref.mul(cosines).add(np.flip(pairs, 3).mul(sines)).reshape([B, T, heads, headSize]);
  };
  // Faster than `nn.dotProductAttention`, on both devices.
  const attention = (q, k, v) => {
    const perHead = (x) => np.transpose(x, [0, 2, 1, 3]);
    const scores = np.matmul(perHead(q), np.transpose(k, [0, 2, 3, 1])).mul(1 / Math.sqrt(headSize));
    return perHead(np.matmul(nn.softmax(scores.add(future.ref)), perHead(v)));
  };
  const loss = (parameters, x) => {
    const p = Object.fromEntries(work.tensors.map(({ name }, i) => [name, parameters[i]]));
    let h = np.matmul(x.inputs, p.emb.ref);
    for (let l = 0; l < layers; l++) {
      const w = (name) => p[`l${l}.${name}`];
      const a = norm(h.ref, w("n1"));
      const [q, k, v] = ["wq", "wk", "wv"].map((name) => linear(a.ref, w(name)));
      a.dispose();
      const attended = attention(
        rotate(q, x.cosines.ref, x.sines.ref),
        rotate(k, x.cosines.ref, x.sines.ref),
        v.reshape([B, T, heads, headSize]),
      );
      h = h.add(linear(attended.reshape([B * T, width]), w("wo")));
      const b = norm(h.ref, w("n2"));
      const gated = nn.silu(linear(b.ref, w("w1"))).mul(linear(b, w("w3")));
      h = h.add(linear(gated, w("w2")));
    }
    x.cosines.dispose();
    x.sines.dispose();
    const logP = nn.logSoftmax(linear(norm(h, p.nf), p.emb));
    return logP
      .mul(x.targets)
      .sum()
      .mul(-1 / (B * T));
  };
  const step = jit((parameters, m, v, x, t) => {
    const [value, gradients] = valueAndGrad(loss)(
      parameters.map((p) => p.ref),
      x,
    );
    return { ...adam(parameters, gradients, m, v, t, work), value };
  });
  let state = {
    parameters: work.tensors.map(({ data, shape: dims }) => array(data, dims)),
    m: work.tensors.map(({ shape: dims }) => np.zeros([...dims])),
    v: work.tensors.map(({ shape: dims }) => np.zeros([...dims])),
    value: np.zeros([]),
  };
  let steps = 0;
  const run = async () => {
    state.value.dispose();
    const x = Object.fromEntries(Object.entries(data).map(([name, value]) => [name, value.ref]));
    state = step(state.parameters, state.m, state.v, x, np.array(++steps, { dtype: np.float32 }));
    await blockUntilReady(state);
  };
  await run();
  const firstStep = performance.now() - began;
  const firstLoss = await state.value.ref.jsAsync();
  return { step: run, firstLoss, firstStep, dispose: () => step.dispose() };
}
