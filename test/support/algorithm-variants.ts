import { compileStepReward } from "../../src/compile/compile.ts";
import { compileLoss } from "../../src/compile/compile-loss.ts";
import type { CompiledReward } from "../../src/compile/compiled-reward.ts";
import { cartPole } from "../../src/env/cartpole.ts";
import type { Environment } from "../../src/env/environment.ts";
import { a2c } from "../../src/rl/a2c.ts";
import type { PolicyGradientConfig } from "../../src/rl/config.ts";
import type { EngineRequest } from "../../src/rl/engine.ts";
import { episodeGrpo } from "../../src/rl/episode-grpo.ts";
import { ppo } from "../../src/rl/ppo.ts";
import { reinforce } from "../../src/rl/reinforce.ts";
import { point } from "./point.ts";

const f = Math.fround;

/** Compiled by hand, as the compiler would. */
const upright: CompiledReward = {
  source: "(s, a, next) => 1 - Math.abs(next.theta) + 0.125 * a",
  wgsl: `fn step_reward(s: array<f32, 4>, a: f32, next: array<f32, 4>) -> f32 {
  return (1.0 - abs(next[2])) + 0.125 * a;
}`,
  evaluate: (_s, _at, a: number, next, at) => f(f(1 - Math.abs(next[at + 2]!)) + f(0.125 * a)),
};

const far: CompiledReward = {
  source: "(s, a, next) => 8 * Math.abs(next.x)",
  wgsl: `fn reward_eight() -> f32 { return 8.0; }
fn step_reward(s: array<f32, 4>, a: f32, next: array<f32, 4>) -> f32 {
  return reward_eight() * abs(next[0]);
}`,
  evaluate: (_s, _at, _a, next, at) => f(8 * Math.abs(next[at]!)),
};

/** Of both signs, so that values go up and down. */
const swaying: CompiledReward = {
  source: "(s, a, next) => 16 * next.theta",
  wgsl: `fn step_reward(s: array<f32, 4>, a: f32, next: array<f32, 4>) -> f32 {
  return 16.0 * next[2];
}`,
  evaluate: (_s, _at, _a, next, at) => f(16 * next[at + 2]!),
};

/** Short episodes: both kinds of ending happen. */
const pole: Environment = { ...cartPole(), maxEpisodeSteps: 12 };

const masked: Environment = {
  ...pole,
  mask: (s, at) => (s[at]! > 0.02 ? 1 : s[at]! < -0.02 ? 2 : 3),
  wgsl: `${pole.wgsl}
fn env_mask(state: ptr<function, array<f32, 4>>) -> u32 {
  return select(select(3u, 2u, (*state)[0] < -0.02), 1u, (*state)[0] > 0.02);
}`,
};

const steps = (body: string, action: string): string => `${pole.wgsl.replace("fn env_step(", "fn pole_step(")}
fn env_step(state: ptr<function, array<f32, 4>>, action: ${action}) -> EnvStep {
  ${body}
}`;

const factored: Environment = {
  ...pole,
  actionCount: 6,
  actions: { kind: "factored", counts: [2, 3] },
  mask: (s, at) => (s[at]! > 0 ? 0b01111 : 0b11011),
  step: (state, at, action: number, out) => {
    pole.step(state, at, action % 2, out);
    state[at + 1] = state[at + 1]! + f(0.015625 * Math.floor(action / 2));
  },
  wgsl: `${steps(
    `let outcome = pole_step(state, action % 2u);
  (*state)[1] += 0.015625 * f32(action / 2u);
  return outcome;`,
    "u32",
  )}
fn env_mask(state: ptr<function, array<f32, 4>>) -> u32 {
  return select(27u, 15u, (*state)[0] > 0.0);
}`,
};

const continuous: Environment = {
  ...pole,
  actionCount: 0,
  actions: { kind: "continuous", low: -0.75, high: 0.5 },
  step: (state, at, action: number, out) => {
    pole.step(state, at, action > 0 ? 1 : 0, out);
    state[at + 1] = state[at + 1]! + f(0.125 * action);
  },
  wgsl: steps(
    `let outcome = pole_step(state, select(0u, 1u, action > 0.0));
  (*state)[1] += 0.125 * action;
  return outcome;`,
    "f32",
  ),
};

/** The first number pushes the pole, and each of them moves the cart. */
const vector = (dimensions: number): Environment => ({
  ...continuous,
  actions: { kind: "continuous", low: -0.75, high: 0.5, dimensions },
  step: (state, at, action: ArrayLike<number>, out) => {
    pole.step(state, at, action[0]! > 0 ? 1 : 0, out);
    for (let d = 0; d < dimensions; d++) {
      state[at + (d % 2)] = state[at + (d % 2)]! + f(0.125 * action[d]!);
    }
  },
  wgsl: steps(
    `let outcome = pole_step(state, select(0u, 1u, action[0] > 0.0));
  for (var d = 0u; d < ${dimensions}u; d++) {
    (*state)[d % 2u] += 0.125 * action[d];
  }
  return outcome;`,
    `array<f32, ${dimensions}>`,
  ),
});

/** Compiled from text: `a` is a list. */
const nearer = compileStepReward("(s, a, next) => 1 - next.x * next.x - 0.1 * a[1] * s.y - 0.05 * a.length", {
  stateFields: point.stateFields,
  actionCount: 0,
  actionSize: 2,
});

/** SAPO's gate, Huber's value loss and an entropy bonus: a sum of a policy's and a value's part. */
const own = compileLoss(`(row) => {
  const ratio = Math.exp(row.logProbability - row.oldLogProbability);
  const gate = 4 / (1 + Math.exp(1 - ratio));
  const error = Math.abs(row.value - row.return);
  const huber = error > 1 ? error - 0.5 : 0.5 * error * error;
  return -row.advantage * gate + 0.5 * huber - 0.02 * row.entropy * row.entropy;
}`);
const mixed = compileLoss(`(row) =>
  (row.value - row.return) * row.logProbability + (row.value - row.return) ** 2 - 0.01 * row.entropy * row.value`);

/** Odd sizes, so that blocks are not full. */
const small = { envs: 5, steps: 12, hidden: [9, 6], totalSteps: 600 } as const;
const base = ppo({
  ...small,
  minibatchSize: 20,
  epochs: 3,
  entropyCoefficient: 0.01,
  // Not 1: a coefficient that is forgotten must show.
  valueCoefficient: 0.7,
  valueClip: 0.2,
  weightDecay: 0.01,
});

const variant = (
  name: string,
  changes: Partial<EngineRequest>,
  options: Partial<PolicyGradientConfig> = {},
): readonly [string, EngineRequest] => [
  name,
  { environment: pole, reward: upright, seed: 3, ...changes, algorithm: { ...base, ...options } },
];

const ascent = { limit: 0.1, initial: 0.5, control: { kind: "ascent", rate: 0.1 } } as const;
const grouped = (name: "grpo" | "dr-grpo" | "rloo"): PolicyGradientConfig =>
  episodeGrpo({
    variant: name,
    groupSize: 3,
    groupCount: 2,
    ...{ steps: 14, minibatchSize: 21, epochs: 2, hidden: [9], totalSteps: 840 },
    normalizeObservations: true,
    entropyCoefficient: 0.01,
  });

/** Every switch of the algorithms, every kind of action: what engines are held to. */
export const algorithmVariants: readonly (readonly [string, EngineRequest])[] = [
  variant("truncation bootstraps", {}),
  variant(
    "a shared trunk, the environment's reward, truncation ends",
    { reward: null },
    { separateTowers: false, truncationBootstrap: false, valueClip: null },
  ),
  variant(
    "asymmetric and dual clip",
    {},
    // So fast that ratios leave the clip on both sides and the dual clip on its own.
    {
      ...{ clip: { start: 0.01, end: 0.01 }, clipHigh: 0.02, dualClip: 1.03 },
      learningRate: { start: 0.01, end: 0.01 },
    },
  ),
  variant("a KL stop before a step", {}, { klStop: { limit: 2e-5, when: "step" } }),
  variant("a KL stop after an epoch", {}, { klStop: { limit: 2e-6, when: "epoch" } }),
  variant("A2C", {}, a2c(small)),
  variant("TensorFlow's RMSprop", {}, { optimizer: "rmsprop-tensorflow", weightDecay: 0 }),
  variant("normalised observations and rewards", {}, { normalizeObservations: true, normalizeRewards: true }),
  variant(
    "REINFORCE over whole episodes",
    {},
    reinforce({ envs: 5, steps: 9, hidden: [9, 6], totalSteps: 450 }),
  ),
  variant(
    "REINFORCE, some episodes shorter",
    {},
    reinforce({ envs: 5, steps: 14, hidden: [9, 6], totalSteps: 700 }),
  ),
  variant(
    "a tight value clip",
    { reward: swaying },
    { valueClip: 0.05, learningRate: { start: 0.01, end: 0.01 } },
  ),
  variant("GRPO over whole episodes", {}, grouped("grpo")),
  variant("Dr.GRPO over whole episodes", {}, grouped("dr-grpo")),
  variant("RLOO over whole episodes", {}, grouped("rloo")),
  variant("a cost limit", { cost: far }, { kind: "ppo-lagrangian", costLimit: ascent }),
  variant(
    "a cost limit by a PID controller",
    { cost: far },
    {
      kind: "ppo-lagrangian",
      costLimit: {
        ...{ limit: 0.1, initial: 0.5 },
        control: { kind: "pid", proportional: 0.05, integral: 0.01, derivative: 0.02 },
      },
    },
  ),
  variant(
    "a cost limit on one trunk, with normalised rewards",
    { cost: far, reward: null },
    {
      kind: "ppo-lagrangian",
      costLimit: ascent,
      separateTowers: false,
      normalizeRewards: true,
      normalizeAdvantages: false,
    },
  ),
  variant("a loss of one's own", { loss: own }, { entropyCoefficient: 0 }),
  variant("a loss of one's own that mixes, on one trunk", { loss: mixed }, { separateTowers: false }),
  variant("a mask", { environment: masked }, { learningRate: { start: 1e-3, end: 1e-4, shape: "cosine" } }),
  variant("two factors with a mask", { environment: factored }, { separateTowers: false }),
  variant(
    "a normal distribution",
    { environment: continuous },
    { learningRate: { start: 0.02, end: 0, warmup: 2 } },
  ),
  variant("two normal distributions", { environment: point, reward: nearer }),
  variant(
    "three normal distributions on one trunk",
    { environment: vector(3), reward: null },
    { separateTowers: false, learningRate: { start: 0.01, end: 0.01 } },
  ),
  variant(
    "a normal distribution on one trunk",
    { environment: continuous },
    { separateTowers: false, normalizeAdvantages: false, learningRate: { start: 0.02, end: 0.02 } },
  ),
];
