import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import type { Environment } from "../src/env/environment.ts";
import type * as engineModule from "../src/rl/cpu-engine.ts";
import type { EngineRequest } from "../src/rl/engine.ts";
import { algorithmVariants } from "./support/algorithm-variants.ts";
import { disagreement } from "./support/check-engine.ts";
import { hosted } from "./support/hosted.ts";
import { importMutated } from "./support/mutation.ts";
import { referenceRun } from "./support/reference-update.ts";

/**
 * Faults derived from the equations, term by term: each is written into a copy of the CPU engine, which must then
 * disagree with the f64 reference of the named variant. `npm test` seeds a dozen of them in the tests beside the code.
 */
const faults: readonly (readonly [
  fault: string,
  variant: string,
  file: string,
  find: string,
  replace: string,
])[] = [
  ["GAE does not discount", "truncation bootstraps", "rl/gae.ts", "+ gamma * (over", "+ (over"],
  ["GAE forgets lambda", "truncation bootstraps", "rl/gae.ts", "gamma * lambda * next", "gamma * next"],
  [
    "GAE crosses the end of an episode",
    "truncation bootstraps",
    "rl/gae.ts",
    "over ? delta :",
    "!over ? delta :",
  ],
  [
    "the time limit bootstraps with the wrong sign",
    "truncation bootstraps",
    "rl/gae.ts",
    "over ? final",
    "over ? -final",
  ],
  [
    "the value's target is the advantage",
    "truncation bootstraps",
    "rl/gae.ts",
    "= nextAdvantage + value",
    "= nextAdvantage",
  ],
  [
    "advantages are not centred",
    "truncation bootstraps",
    "rl/cpu-update.ts",
    "(advantages[row]! - mean) * scale",
    "advantages[row]! * scale",
  ],
  [
    "the deviation is biased",
    "truncation bootstraps",
    "rl/cpu-update.ts",
    "(Math.max(2, count) - 1)",
    "Math.max(2, count)",
  ],
  [
    "the gradient is clipped by its square",
    "truncation bootstraps",
    "rl/cpu-update.ts",
    "(norm + 1e-6)",
    "(norm * norm + 1e-6)",
  ],
  [
    "the first moment is not corrected",
    "truncation bootstraps",
    "rl/cpu-update.ts",
    "1 - power(BETA_1",
    "1 + power(BETA_1",
  ],
  [
    "the second moment is not corrected",
    "truncation bootstraps",
    "rl/cpu-update.ts",
    "1 - power(BETA_2",
    "1 + power(BETA_2",
  ],
  [
    "weights grow instead of decaying",
    "truncation bootstraps",
    "rl/cpu-update.ts",
    "1 - learningRate * weightDecay",
    "1 + learningRate * weightDecay",
  ],
  [
    "every update shuffles alike",
    "truncation bootstraps",
    "rl/cpu-update.ts",
    "inputs.update * epochs + epoch",
    "epoch",
  ],
  [
    "the schedule is half as steep",
    "truncation bootstraps",
    "rl/schedule.ts",
    "((end - start) * done) / span",
    "((end - start) * done) / (2 * span)",
  ],
  [
    "episodes start one step early",
    "truncation bootstraps",
    "rl/cpu-rollout.ts",
    "globalStep + 1)",
    "globalStep)",
  ],
  [
    "the lower clip has the wrong sign",
    "asymmetric and dual clip",
    "kernels/wasm/policy.ts",
    "subtract(constant(1), clip))",
    "add(constant(1), clip))",
  ],
  [
    "the upper clip is the lower one",
    "asymmetric and dual clip",
    "kernels/wasm/policy.ts",
    "add(constant(1), clipHigh)",
    "add(constant(1), clip)",
  ],
  [
    "the clip does not stop the gradient",
    "asymmetric and dual clip",
    "kernels/wasm/policy.ts",
    "keep(body, and(greaterOrEqual(unclipped, clipped), unclipped))",
    "unclipped",
  ],
  [
    "the smaller of the two losses is reported",
    "asymmetric and dual clip",
    "kernels/wasm/policy.ts",
    "keep(body, maximum(unclipped, clipped))",
    "unclipped",
  ],
  [
    "dual clip bounds the other sign",
    "asymmetric and dual clip",
    "kernels/wasm/policy.ts",
    "greater(loss, constant(0))",
    "less(loss, constant(0))",
  ],
  [
    "entropy is punished",
    "truncation bootstraps",
    "kernels/wasm/policy.ts",
    "multiply(bonus, towardsEntropy)",
    "negate(multiply(bonus, towardsEntropy))",
  ],
  [
    "the entropy's gradient lacks the entropy",
    "truncation bootstraps",
    "kernels/wasm/policy.ts",
    "add(factor.logProbabilities[i]!, factor.entropy)",
    "factor.logProbabilities[i]!",
  ],
  [
    "the value clip holds inside instead of outside",
    "a tight value clip",
    "kernels/wasm/policy.ts",
    "less(absolute(change), valueClip)",
    "greater(absolute(change), valueClip)",
  ],
  [
    "the value coefficient is left out",
    "a shared trunk, the environment's reward, truncation ends",
    "kernels/wasm/policy.ts",
    "multiply(valueCoefficient, gradient)",
    "gradient",
  ],
  [
    "tanh is not differentiated",
    "truncation bootstraps",
    "kernels/wasm/dense.ts",
    "subtract(constant(1), multiply(y, y))",
    "constant(1)",
  ],
  [
    "the KL stop never comes",
    "a KL stop after an epoch",
    "rl/cpu-update.ts",
    "stopped = far;",
    "stopped = false;",
  ],
  [
    "the KL stop comes after the step",
    "a KL stop before a step",
    "rl/cpu-update.ts",
    'klStop.when === "step"',
    'klStop.when === "never"',
  ],
  [
    "the score has the wrong sign",
    "A2C",
    "kernels/wasm/policy.ts",
    "policy.backward(loss, entropyCoefficient)",
    "policy.backward(negate(loss), entropyCoefficient)",
  ],
  [
    "RMSprop averages the gradient",
    "A2C",
    "kernels/wasm/optimizer.ts",
    "multiply(multiply(g, g), complement!)",
    "multiply(g, complement!)",
  ],
  [
    "TensorFlow's accumulator starts at 0",
    "TensorFlow's RMSprop",
    "rl/cpu-engine.ts",
    "secondMoment.fill(1, offset",
    "secondMoment.fill(0, offset",
  ],
  [
    "the variances' merge lacks the distance of the means",
    "normalised observations and rewards",
    "rl/normalization.ts",
    "(delta * delta * before * count) / total",
    "0",
  ],
  [
    "the return that scales rewards is not discounted",
    "normalised observations and rewards",
    "rl/cpu-credit.ts",
    "discounted[n]! * gamma",
    "discounted[n]!",
  ],
  [
    "rows behind an episode's end count",
    "REINFORCE, some episodes shorter",
    "rl/cpu-rollout.ts",
    "this.weights.fill(0)",
    "this.weights.fill(1)",
  ],
  [
    "siblings do not start alike",
    "GRPO over whole episodes",
    "rl/cpu-rollout.ts",
    "Math.floor(n / groups.size) : n",
    "n : n",
  ],
  [
    "a group has no baseline",
    "GRPO over whole episodes",
    "rl/group-advantages.ts",
    "(values[k]! - baseline) * scale",
    "values[k]! * scale",
  ],
  [
    "a step has the advantage of a sibling",
    "GRPO over whole episodes",
    "rl/episode-grpo.ts",
    "row % config.envs",
    "(row + 1) % config.envs",
  ],
  [
    "long episodes weigh more",
    "GRPO over whole episodes",
    "rl/episode-credit.ts",
    "? steps / length",
    "? steps",
  ],
  [
    "leave-one-out is forgotten",
    "RLOO over whole episodes",
    "rl/group-advantages.ts",
    "count / (count - 1)",
    "1",
  ],
  ["cost is sought", "a cost limit", "rl/lagrangian.ts", "reward - lambda * cost", "reward + lambda * cost"],
  [
    "the advantage grows with the multiplier",
    "a cost limit on one trunk, with normalised rewards",
    "rl/lagrangian.ts",
    "(reward - lambda * cost) / (1 + lambda)",
    "reward - lambda * cost",
  ],
  [
    "the multiplier descends",
    "a cost limit",
    "rl/lagrangian.ts",
    "lambda + rate * (cost - limit)",
    "lambda - rate * (cost - limit)",
  ],
  [
    "the cost's value learns at another rate",
    "a cost limit",
    "kernels/wasm/policy.ts",
    "multiply(valueCoefficient, costError)",
    "costError",
  ],
  [
    "a forbidden action is likely",
    "two factors with a mask",
    "kernels/wasm/policy.ts",
    "constant(FORBIDDEN)",
    "constant(0)",
  ],
  [
    "the mean's gradient lacks the deviation",
    "a normal distribution on one trunk",
    "kernels/wasm/policy.ts",
    "multiply(deviation, logStd.inverseStd)",
    "deviation",
  ],
  [
    "the deviation only grows",
    "a normal distribution on one trunk",
    "kernels/wasm/policy.ts",
    "subtract(squared, constant(1))",
    "squared",
  ],
  [
    "a loss of one's own has its entropy's sign turned",
    "a loss of one's own",
    "kernels/wasm/policy.ts",
    "keep(body, negate(column(custom.byEntropy)))",
    "column(custom.byEntropy)",
  ],
  [
    "the learning rate does not warm up",
    "a normal distribution",
    "rl/schedule.ts",
    "(start * (update + 1)) / warmup",
    "start",
  ],
  [
    "the cosine is half as wide",
    "a mask",
    "rl/schedule.ts",
    "Math.cos((Math.PI * done) / span)",
    "Math.cos((2 * Math.PI * done) / span)",
  ],
  [
    "a host's episodes begin with other numbers",
    "stepped by a host",
    "rl/cpu-rollout.ts",
    "this.#resetWords(globalStep + 1, n, out)",
    "this.#resetWords(globalStep, n, out)",
  ],
  [
    "a host hears of the time limit a step late",
    "stepped by a host",
    "rl/cpu-rollout.ts",
    "this.episodeLength[n]! + 1 >= this.#limit,",
    "this.episodeLength[n]! >= this.#limit,",
  ],
  [
    "a host's answers go to the first environment",
    "stepped by a host",
    "rl/hosted-environment.ts",
    "row.set(index, i)",
    "row.set(index, 0)",
  ],
  [
    "the ratio is upside down",
    "truncation bootstraps",
    "kernels/wasm/policy.ts",
    "subtract(policy.logProbability, column(rows.oldLogProbability))",
    "subtract(column(rows.oldLogProbability), policy.logProbability)",
  ],
  [
    "the KL estimate lacks the ratio",
    "truncation bootstraps",
    "kernels/wasm/policy.ts",
    "subtract(subtract(ratio, constant(1)), logRatio)",
    "negate(logRatio)",
  ],
  [
    "what is clipped below does not count",
    "asymmetric and dual clip",
    "kernels/wasm/policy.ts",
    "add(above, below)",
    "above",
  ],
  [
    "dual clip is left out",
    "asymmetric and dual clip",
    "kernels/wasm/policy.ts",
    "term = choose(bounded, bound, term);",
    "term = choose(bounded, term, term);",
  ],
  [
    "dual clip does not stop the gradient",
    "asymmetric and dual clip",
    "kernels/wasm/policy.ts",
    "choose(bounded, constant(0), slope)",
    "choose(bounded, slope, slope)",
  ],
  [
    "the value's loss is not halved",
    "truncation bootstraps",
    "kernels/wasm/policy.ts",
    "multiply(constant(0.5), squared)",
    "squared",
  ],
  [
    "the value clip has no lower side",
    "a tight value clip",
    "kernels/wasm/policy.ts",
    "clamp(change, negate(valueClip), valueClip)",
    "clamp(change, valueClip, valueClip)",
  ],
  [
    "the cost's loss is not halved",
    "a cost limit",
    "kernels/wasm/policy.ts",
    "multiply(constant(0.5), multiply(costError, costError))",
    "multiply(costError, costError)",
  ],
  [
    "the choice's own probability is not taken off",
    "truncation bootstraps",
    "kernels/wasm/policy.ts",
    "subtract(oneHot, p)",
    "oneHot",
  ],
  [
    "entropy has the wrong sign",
    "truncation bootstraps",
    "kernels/wasm/policy.ts",
    "negate(probabilities.map((p, i) => multiply(p, logProbabilities[i]!)).reduce(add))",
    "probabilities.map((p, i) => multiply(p, logProbabilities[i]!)).reduce(add)",
  ],
  [
    "the normal distribution lacks its deviation",
    "a normal distribution",
    "kernels/wasm/policy.ts",
    "subtract(multiply(constant(-0.5), squared), logStd.value)",
    "multiply(constant(-0.5), squared)",
  ],
  [
    "RMSprop has no root",
    "A2C",
    "kernels/wasm/optimizer.ts",
    "add(squareRoot(v), epsilon!)",
    "add(v, epsilon!)",
  ],
  [
    "AdamW's first moment forgets nothing",
    "truncation bootstraps",
    "kernels/wasm/optimizer.ts",
    "load(at, arenas.firstMoment), constant(0.9)",
    "load(at, arenas.firstMoment), constant(1)",
  ],
  [
    "AdamW's second moment averages the gradient",
    "truncation bootstraps",
    "kernels/wasm/optimizer.ts",
    "multiply(multiply(g, g), constant(0.001))",
    "multiply(g, constant(0.001))",
  ],
  [
    "GAE is one step short",
    "truncation bootstraps",
    "rl/gae.ts",
    "let i = (steps - 1) * envs + n; i >= 0",
    "let i = (steps - 1) * envs + n; i >= envs",
  ],
  ["GAE lacks the value", "truncation bootstraps", "rl/gae.ts", ": nextValue) - value", ": nextValue)"],
  [
    "the critic of a minibatch is trained twice",
    "truncation bootstraps",
    "rl/cpu-kernels.ts",
    ".if(null, () => body.call(critic))",
    ".if(null, () => body.call(critic).call(critic))",
  ],
  [
    "the actor of a minibatch is trained in the critic's place",
    "truncation bootstraps",
    "rl/cpu-kernels.ts",
    ".if(null, () => body.call(actor!))",
    ".if(null, () => body.call(critic ?? actor!))",
  ],
  [
    "a host's rewards are those of another",
    "stepped by a host",
    "rl/hosted-environment.ts",
    "reply.rewards[i]!",
    "reply.rewards[0]!",
  ],
  [
    "a host's episodes never end",
    "stepped by a host",
    "rl/hosted-environment.ts",
    "out[1] = reply.terminated[i]!",
    "out[1] = 0",
  ],
  [
    "a host's episodes begin where the last ended",
    "stepped by a host",
    "rl/hosted-environment.ts",
    "copy(reply.starts, state, at)",
    "copy(reply.observations, state, at)",
  ],
  [
    "a host hears no action",
    "stepped by a host",
    "rl/hosted-environment.ts",
    'typeof action === "number" ? action :',
    'typeof action === "number" ? 0 :',
  ],
];

const updates = 3;

const [, plain] = algorithmVariants.find(([name]) => name === "truncation bootstraps")!;
/** Pays what differs from environment to environment. */
const leaning: Environment = {
  ...plain.environment,
  step: (state, at, action: number, out) => {
    plain.environment.step(state, at, action, out);
    out[0] = state[at + 2]!;
  },
};
const variants = new Map<string, EngineRequest>([
  ...algorithmVariants,
  ["stepped by a host", { ...plain, reward: null, environment: hosted(leaning) }],
]);

describe("a seeded fault is found", () => {
  const found: object[] = [];
  test.each(faults)("%s", async (fault, variant, file, find, replace) => {
    const request = variants.get(variant)!;
    const faulty = await importMutated<typeof engineModule>(import.meta.url, "../src/rl/cpu-engine.ts", {
      file: `../src/${file}`,
      find,
      replace,
    });
    const difference = await disagreement(
      request,
      referenceRun(request, updates),
      updates,
      faulty.createCpuEngine,
    );
    found.push({ fault, variant, file: `src/${file}`, found: difference });
    expect(difference).not.toBeNull();
  });

  afterAll(() => {
    const folder = new URL("../bench/results/", import.meta.url);
    mkdirSync(folder, { recursive: true });
    const result = { date: new Date().toISOString().slice(0, 10), faults: found };
    writeFileSync(new URL("seeded-faults.json", folder), `${JSON.stringify(result, null, 2)}\n`);
  });
});
