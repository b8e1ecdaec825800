import { describe, expect, test } from "vitest";
import { expectClose } from "../../test/support/goldens.ts";
import { importMutated } from "../../test/support/mutation.ts";
import { policyHead } from "../kernels/action-space.ts";
import { ReferenceActorCritic } from "../kernels/reference/actor-critic.ts";
import { categorical } from "../kernels/reference/categorical.ts";
import { minibatchLoss } from "../kernels/reference/minibatch-loss.ts";
import { ppoMetrics } from "../kernels/wasm/policy.ts";
import { actorCriticLayout } from "../nn/parameter-layout.ts";
import * as engine from "./cpu-kernels.ts";
import { ppoRowLoss } from "./ppo.ts";

const wave = (length: number, scale: number, phase: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => scale * Math.sin(phase + i * 1.7 + 0.013 * i * i));

interface Shape {
  readonly separateTowers: boolean;
  readonly hidden: readonly number[];
  readonly actionCount: number;
  readonly size: number;
  readonly clipsValue: boolean;
}

/** One minibatch of odd size through the generated kernels and through the f64 reference. */
async function check(module: typeof engine, shape: Shape): Promise<void> {
  const { size, actionCount, clipsValue, ...loss } = shape;
  const observationSize = 3;
  const head = policyHead(shape);
  const layout = actorCriticLayout({ observationSize, ...shape });
  const kernels = await module.createCpuKernels({
    layout,
    observationSize,
    head,
    envs: 5,
    minibatchSize: size,
    clipsValue,
    ...loss,
  });
  for (const { offset, length } of layout.tensors) kernels.parameters.set(wave(length, 0.5, offset), offset);
  const batch = {
    observations: wave(size * observationSize, 1, 1),
    actions: Uint32Array.from({ length: size }, (_, b) => b % actionCount),
    oldLogProbabilities: wave(size, 0.4, 2).map((x) => x - Math.log(actionCount)),
    advantages: wave(size, 1, 3),
    returns: wave(size, 1, 4),
    oldValues: wave(size, 1, 5),
  };
  const options = {
    rowLoss: ppoRowLoss,
    clip: 0.2,
    valueClip: clipsValue ? 0.25 : null,
    entropyCoefficient: 0.05,
    valueCoefficient: 0.7,
  };
  kernels.scalars.set([0.2, 0.2, 0, 0.25, 0.05, 0.7]);

  const { training } = kernels;
  const { columns } = training;
  for (let first = 0; first < size; first += columns) {
    training.weights.fill(0);
    for (let c = 0; c < Math.min(columns, size - first); c++) {
      const row = first + c;
      for (let o = 0; o < observationSize; o++) {
        training.observations[o * columns + c] = batch.observations[row * observationSize + o]!;
      }
      training.actions[c] = batch.actions[row]!;
      training.oldLogProbabilities[c] = batch.oldLogProbabilities[row]!;
      training.advantages[c] = batch.advantages[row]!;
      training.returns[c] = batch.returns[row]!;
      training.oldValues[c] = batch.oldValues[row]!;
      training.weights[c] = 1 / size;
    }
    training.accumulate();
  }

  const network = new ReferenceActorCritic(layout);
  const expected = minibatchLoss(network, kernels.parameters, batch, {
    ...options,
    normalizeAdvantages: false,
  });
  expectClose(kernels.gradient, expected.gradient, { absolute: 2e-6, relative: 2e-5 }, "gradient");
  const sums = { ...expected, approximateKl: expected.klK3 };
  ppoMetrics.forEach((name, i) => {
    const lanes = kernels.metrics.subarray(i * 4, i * 4 + 4);
    expectClose(
      lanes.reduce((a, b) => a + b, 0),
      sums[name],
      { absolute: 2e-6, relative: 2e-5 },
      name,
    );
  });
}

const shapes: [string, Shape][] = [
  ["separate towers", { separateTowers: true, hidden: [7, 5], actionCount: 3, size: 37, clipsValue: true }],
  ["a shared trunk", { separateTowers: false, hidden: [33], actionCount: 2, size: 65, clipsValue: false }],
  [
    "three wide layers",
    { separateTowers: false, hidden: [17, 64, 9], actionCount: 5, size: 130, clipsValue: true },
  ],
];

describe("the CPU engine's gradient and metrics are those of the f64 reference", () => {
  test.each(shapes)("%s", async (_, shape) => {
    await check(engine, shape);
  });

  test.each([
    ["a sign in the clip", "policy.ts", "subtract(constant(1), clip)", "add(constant(1), clip)"],
    [
      "entropy is punished",
      "policy.ts",
      "multiply(bonus, towardsEntropy)",
      "negate(multiply(bonus, towardsEntropy))",
    ],
    [
      "the clip does not stop the gradient",
      "policy.ts",
      "keep(body, and(greaterOrEqual(unclipped, clipped), unclipped))",
      "unclipped",
    ],
    ["tanh is not differentiated", "dense.ts", "subtract(constant(1), multiply(y, y))", "constant(1)"],
  ])("a seeded fault is caught: %s", async (_, file, find, replace) => {
    const faulty = await importMutated<typeof engine>(import.meta.url, "./cpu-kernels.ts", {
      file: `../kernels/wasm/${file}`,
      find,
      replace,
    });
    await expect(check(faulty, shapes[0]![1])).rejects.toThrow(/expected/);
  });
});

test("rollout blocks: probabilities, log-probabilities and values", async () => {
  const shape = { observationSize: 3, actionCount: 4, hidden: [6], separateTowers: true };
  const layout = actorCriticLayout(shape);
  const { rollout, parameters } = await engine.createCpuKernels({
    ...shape,
    head: policyHead(shape),
    layout,
    envs: 6,
    minibatchSize: 8,
    clipsValue: false,
  });
  parameters.set(wave(layout.length, 0.8, 1));
  rollout.observations.set(wave(rollout.observations.length, 1, 2));
  rollout.forward();
  const network = new ReferenceActorCritic(layout);
  for (let c = 0; c < 6; c++) {
    const column = (data: Float32Array, rows: number): Float32Array =>
      Float32Array.from({ length: rows }, (_, r) => data[r * rollout.columns + c]!);
    const { logits, value } = network.forward(parameters, column(rollout.observations, 3));
    const policy = categorical(logits);
    const tolerance = { absolute: 2e-6, relative: 2e-5 };
    expectClose(column(rollout.probabilities, 4), policy.probabilities, tolerance);
    expectClose(column(rollout.logProbabilities, 4), policy.logProbabilities, tolerance);
    expectClose(rollout.values[c]!, value, tolerance);
  }
});
