import { numpy as np } from "@jax-js/jax";

/** Adam in jax arrays, for use inside a `jit`; consumes what it is given. Returns { parameters, m, v }. */
export function adam(parameters, gradients, first, second, t, { learningRate, epsilon }) {
  const [beta1, beta2] = [0.9, 0.999];
  const m = first.map((a, i) => a.mul(beta1).add(gradients[i].ref.mul(1 - beta1)));
  const v = second.map((a, i) => a.mul(beta2).add(np.square(gradients[i]).mul(1 - beta2)));
  const [correction1, correction2] = [beta1, beta2].map((beta) =>
    np
      .exp(t.ref.mul(Math.log(beta)))
      .mul(-1)
      .add(1),
  );
  t.dispose();
  const next = parameters.map((p, i) => {
    const root = np.sqrt(v[i].ref.div(correction2.ref)).add(epsilon);
    return p.sub(m[i].ref.div(correction1.ref).div(root).mul(learningRate));
  });
  correction1.dispose();
  correction2.dispose();
  return { parameters: next, m, v };
}
