import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import "@tensorflow/tfjs-backend-webgpu";

export async function createTfjsMinibatch(work) {
  const began = performance.now();
  await tf.setBackend("webgpu");
  await tf.ready();
  const data = {
    observations: tf.tensor2d(work.observations, [work.size, work.observationSize]),
    chosen: tf.cast(tf.oneHot(tf.tensor1d(work.actions, "int32"), work.actionCount), "float32"),
    oldLogProbabilities: tf.tensor1d(work.oldLogProbabilities),
    advantages: tf.tensor1d(work.advantages),
    returns: tf.tensor1d(work.returns),
  };
  const variables = work.tensors.map(({ data, shape }) => tf.variable(tf.tensor(data, [...shape])));
  const [w0, b0, w1, b1, wa, ba, wc, bc] = variables;
  const dense = (x, weight, bias) => tf.add(tf.matMul(x, weight, false, true), bias);
  const loss = () => {
    const h = tf.tanh(dense(tf.tanh(dense(data.observations, w0, b0)), w1, b1));
    const logP = tf.logSoftmax(dense(h, wa, ba));
    const value = tf.reshape(dense(h, wc, bc), [work.size]);
    const entropy = tf.neg(tf.sum(tf.mul(tf.exp(logP), logP), -1));
    const ratio = tf.exp(tf.sub(tf.sum(tf.mul(logP, data.chosen), -1), data.oldLogProbabilities));
    const clipped = tf.clipByValue(ratio, 1 - work.clip, 1 + work.clip);
    const surrogate = tf.minimum(tf.mul(ratio, data.advantages), tf.mul(clipped, data.advantages));
    const square = tf.mul(tf.square(tf.sub(value, data.returns)), 0.5 * work.valueCoefficient);
    return tf.mean(tf.sub(tf.sub(square, surrogate), tf.mul(entropy, work.entropyCoefficient)));
  };
  const optimizer = tf.train.adam(work.learningRate, 0.9, 0.999, work.epsilon);
  const run = async () => {
    const value = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss, variables);
      const names = Object.keys(grads);
      const squares = tf.addN(names.map((name) => tf.sum(tf.square(grads[name]))));
      const scale = tf.minimum(tf.div(work.maxGradientNorm, tf.add(tf.sqrt(squares), 1e-6)), 1);
      optimizer.applyGradients(Object.fromEntries(names.map((name) => [name, tf.mul(grads[name], scale)])));
      return value;
    });
    const [result] = await value.data();
    value.dispose();
    return result;
  };
  const firstLoss = await run();
  const firstStep = performance.now() - began;
  return {
    // Reading the loss is how tfjs waits; the optimizer's kernels are waited for as well, as everybody's are.
    step: async () => {
      await run();
      await tf.backend().device.queue.onSubmittedWorkDone();
    },
    firstLoss,
    firstStep,
    dispose: () => tf.disposeVariables(),
  };
}
