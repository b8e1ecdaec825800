// Plain JavaScript: the compiler must not need the peers, which `npm ci` does not install.
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, valueAndGrad } from "@jax-js/jax";
import { adam } from "./jax-adam.js";

export async function createJaxMinibatch(device, work) {
  const began = performance.now();
  await init(device);
  defaultDevice(device);
  const array = (data, shape) => np.array(data, { dtype: np.float32 }).reshape(shape);
  const leaf = ({ data, shape }) => array(data.slice(), [...shape]);
  const data = {
    observations: array(work.observations, [work.size, work.observationSize]),
    chosen: nn.oneHot(np.array(work.actions, { dtype: np.int32 }), work.actionCount),
    oldLogProbabilities: array(work.oldLogProbabilities, [work.size]),
    advantages: array(work.advantages, [work.size]),
    returns: array(work.returns, [work.size]),
  };
  const dense = (x, weight, bias) => np.matmul(x, np.transpose(weight)).add(bias);
  const loss = ([w0, b0, w1, b1, wa, ba, wc, bc], x) => {
    const h = np.tanh(dense(np.tanh(dense(x.observations, w0, b0)), w1, b1));
    const logP = nn.logSoftmax(dense(h.ref, wa, ba));
    const value = dense(h, wc, bc).reshape([work.size]);
    const entropy = np.exp(logP.ref).mul(logP.ref).sum(-1).mul(-1);
    const ratio = np.exp(logP.mul(x.chosen).sum(-1).sub(x.oldLogProbabilities));
    const clipped = np.clip(ratio.ref, 1 - work.clip, 1 + work.clip).mul(x.advantages.ref);
    const surrogate = np.minimum(ratio.mul(x.advantages), clipped);
    const error = value.sub(x.returns);
    return np
      .square(error)
      .mul(0.5 * work.valueCoefficient)
      .sub(surrogate)
      .sub(entropy.mul(work.entropyCoefficient))
      .mean();
  };
  const step = jit((parameters, first, second, x, t) => {
    const [value, gradients] = valueAndGrad(loss)(
      parameters.map((p) => p.ref),
      x,
    );
    const squares = gradients.map((g) => np.square(g.ref).sum()).reduce((a, b) => a.add(b));
    const scale = np.minimum(np.reciprocal(np.sqrt(squares).add(1e-6)).mul(work.maxGradientNorm), 1);
    const clipped = gradients.map((g) => g.mul(scale.ref));
    scale.dispose();
    return { ...adam(parameters, clipped, first, second, t, work), value };
  });
  let state = {
    parameters: work.tensors.map(leaf),
    m: work.tensors.map(({ shape }) => np.zeros([...shape])),
    v: work.tensors.map(({ shape }) => np.zeros([...shape])),
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
