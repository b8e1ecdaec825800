import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import "@tensorflow/tfjs-backend-webgpu";

export async function createTfjsGpt(work) {
  const began = performance.now();
  await tf.setBackend("webgpu");
  await tf.ready();
  const { shape, rows: B, length: T } = work;
  const { width, heads, headSize, vocabularySize, layers, normEpsilon } = shape;
  const half = headSize / 2;
  const oneHot = (ids) => tf.cast(tf.oneHot(tf.tensor1d(ids, "int32"), vocabularySize), "float32");
  const inputs = oneHot(work.inputs);
  const targets = oneHot(work.targets);
  const cosines = tf.tensor(work.cosines, [1, T, 1, half]);
  const sines = tf.tensor(work.sines, [1, T, 1, half]);
  const future = tf.tensor(
    Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)),
    [1, 1, T, T],
  );
  const variables = work.tensors.map(({ data, shape: dims }) => tf.variable(tf.tensor(data, [...dims])));
  const p = Object.fromEntries(work.tensors.map(({ name }, i) => [name, variables[i]]));
  const linear = (x, weight) => tf.matMul(x, weight, false, true);
  const norm = (x, gain) => {
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), normEpsilon));
    return tf.mul(tf.mul(x, inverse), gain);
  };
  const perHead = (x) => tf.transpose(tf.reshape(x, [B, T, heads, headSize]), [0, 2, 1, 3]);
  const rotate = (x) => {
    const [a, b] = tf.split(tf.reshape(x, [B, T, heads, headSize]), 2, 3);
    const turned = tf.concat(
      [tf.sub(tf.mul(a, cosines), tf.mul(b, sines)), tf.add(tf.mul(b, cosines), tf.mul(a, sines))],
      3,
    );
    return tf.transpose(turned, [0, 2, 1, 3]);
  };
  const loss = () => {
    let h = tf.matMul(inputs, p.emb);
    for (let l = 0; l < layers; l++) {
      const w = (name) => p[`l${l}.${name}`];
      const a = norm(h, w("n1"));
      const q = rotate(linear(a, w("wq")));
      const k = rotate(linear(a, w("wk")));
      const v = perHead(linear(a, w("wv")));
      const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(headSize)), future);
      const attended = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
      h = tf.add(h, linear(tf.reshape(attended, [B * T, width]), w("wo")));
      const b = norm(h, w("n2"));
      const gate = linear(b, w("w1"));
      h = tf.add(h, linear(tf.mul(tf.mul(gate, tf.sigmoid(gate)), linear(b, w("w3"))), w("w2")));
    }
    const logP = tf.logSoftmax(linear(norm(h, p.nf), p.emb));
    return tf.mul(tf.sum(tf.mul(logP, targets)), -1 / (B * T));
  };
  const optimizer = tf.train.adam(work.learningRate, 0.9, 0.999, work.epsilon);
  const run = async () => {
    const value = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss, variables);
      optimizer.applyGradients(grads);
      return value;
    });
    const [result] = await value.data();
    value.dispose();
    await tf.backend().device.queue.onSubmittedWorkDone();
    return result;
  };
  const firstLoss = await run();
  return { step: run, firstLoss, firstStep: performance.now() - began, dispose: () => tf.disposeVariables() };
}
