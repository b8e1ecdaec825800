import type { Action, PolicyHead } from "../kernels/action-space.ts";

/** The likeliest action, in the form `Environment.step` takes it; `mask` as `Environment.mask` gives it. */
export function greedyAction(head: PolicyHead, output: (index: number) => number, mask = 0xffffffff): Action {
  if (head.kind === "gaussian") {
    const { outputs, low, high } = head;
    const action = Float32Array.from({ length: outputs }, (_, d) => Math.min(Math.max(output(d), low), high));
    return outputs === 1 ? action[0]! : action;
  }
  let action = 0;
  let radix = 1;
  let first = 0;
  for (const count of head.factors) {
    let best = -1;
    for (let k = 0; k < count; k++) {
      if (((mask >>> (first + k)) & 1) === 0 && first + k < 32) continue;
      if (best < 0 || output(first + k) > output(first + best)) best = k;
    }
    action += radix * Math.max(0, best);
    radix *= count;
    first += count;
  }
  return action;
}
