import { describe, expect, test } from "vitest";
import type { Environment } from "../../src/env/environment.ts";
import { StaticPlan } from "../../src/gpu/plan.ts";
import { adamwKernel, optimizerConstants } from "../../src/kernels/adamw.ts";
import { gaeKernel } from "../../src/kernels/gae.ts";
import { METRICS_LENGTH, metricWord } from "../../src/kernels/metrics.ts";
import { ReferenceActorCritic } from "../../src/kernels/reference/actor-critic.ts";
import { adamW, clipCoefficient, globalNorm } from "../../src/kernels/reference/optimizer.ts";
import {
  minibatchLoss,
  type Minibatch,
  type MinibatchOptions,
} from "../../src/kernels/reference/minibatch-loss.ts";
import type { Scalar } from "../../src/kernels/scalars.ts";
import { actorCriticLayout, type ActorCriticShape } from "../../src/nn/parameter-layout.ts";
import { ppoRowLoss } from "../../src/rl/ppo.ts";
import { minibatchStages } from "../../src/rl/webgpu-minibatch.ts";
import { createPpoPlan } from "../../src/rl/webgpu-plan.ts";
import { golden, worstDifference } from "../support/goldens.ts";
import { gpu, random, read, scalarSlot, withFault, type ShaderFault } from "./support.ts";

function submit(plan: StaticPlan, dispatches: readonly Parameters<StaticPlan["encode"]>[1][]): void {
  const encoder = gpu!.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const dispatch of dispatches) plan.encode(pass, dispatch, 0);
  pass.end();
  gpu!.submit(encoder);
}

const write = (buffer: GPUBuffer, data: Float32Array | Uint32Array, at = 0): void =>
  gpu!.device.queue.writeBuffer(buffer, at * 4, data as Float32Array<ArrayBuffer>);

interface GaeCase {
  readonly steps: number;
  readonly envs: number;
  readonly gamma: number;
  readonly lambda: number;
  readonly rewards: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  readonly nextValue: ArrayLike<number>;
  /** 1 terminated, 2 truncated. */
  readonly ended: ArrayLike<number>;
  readonly finalValues: ArrayLike<number>;
}

/** [advantages, returns] of the GAE kernel. */
async function runGae(c: GaeCase): Promise<[Float32Array, Float32Array]> {
  const { steps, envs } = c;
  const n = steps * envs;
  const plan = new StaticPlan(gpu!);
  const scalars = plan.slots(1);
  const transitions = plan.storage("transitions", 9 * n + envs);
  const dispatch = await plan.stage({
    kernel: gaeKernel(),
    constants: { STEPS: steps, ENVS: envs, COSTED: false, NORMALIZE_REWARDS: false },
    buffers: [scalars, transitions],
    invocations: envs,
    workgroup: 32,
  });
  gpu!.device.queue.writeBuffer(scalars, 0, scalarSlot({ gamma: c.gamma, lambda: c.lambda }).bytes);
  write(transitions, Float32Array.from(c.rewards), 3 * n);
  write(transitions, Uint32Array.from(c.ended), 4 * n);
  write(transitions, Float32Array.from(c.finalValues), 5 * n);
  write(transitions, Float32Array.from(c.values), 8 * n);
  write(transitions, Float32Array.from(c.nextValue), 9 * n);
  submit(plan, [dispatch]);
  const out = await read(transitions);
  plan.dispose();
  return [out.slice(6 * n, 7 * n), out.slice(7 * n, 8 * n)];
}

/** The golden cases; null, or where they disagree. */
async function gaeDisagreement(): Promise<unknown> {
  const [steps, envs] = [8, 3];
  for (const name of ["gae_cleanrl", "gae_limits", "gae_terminated_truncated"]) {
    const g = golden(name);
    const [rewards, values] = [g.input("rewards"), g.input("values")];
    const gamma = g.params["gamma"] as number;
    const base = { steps, envs, gamma, values, finalValues: new Float32Array(steps * envs) };
    let given: Omit<GaeCase, "lambda">;
    if (name === "gae_terminated_truncated") {
      const next = g.input("next_values");
      const [terminated, truncated] = [g.input("terminated"), g.input("truncated")];
      const ended = terminated.map((t, i) => t + 2 * truncated[i]!);
      // The kernel takes V(t + 1) inside an episode from the next row; the golden's differs, so the reward makes up.
      const correction = (i: number): number =>
        ended[i] === 0 ? gamma * (next[i]! - (values[i + envs] ?? 0)) : 0;
      given = {
        ...base,
        rewards: rewards.map((r, i) => r + correction(i)),
        nextValue: [0, 0, 0],
        ended,
        finalValues: next,
      };
    } else {
      const ended = [...g.input("dones").slice(envs), ...g.input("next_done")];
      given = { ...base, rewards, nextValue: g.input("next_value"), ended };
    }
    const expected: [number, string][] =
      name === "gae_limits"
        ? [
            [0, "adv_lambda0"],
            [1, "adv_lambda1"],
          ]
        : [[g.params["lambda"] as number, "advantages"]];
    for (const [lambda, output] of expected) {
      const [advantages] = await runGae({ ...given, lambda });
      const worst = worstDifference(advantages, g.output(output), g.f32);
      if (worst) return { name, ...worst };
    }
  }
  return null;
}

interface MinibatchCase extends ActorCriticShape {
  readonly parameters: Float32Array;
  readonly batch: Minibatch;
  readonly options: MinibatchOptions;
  readonly tile?: number;
}

/** Gradient in the plain order, mean loss terms and norm of one minibatch; `steps` runs it with Adam that often. */
async function runMinibatch(
  c: MinibatchCase,
  adam: { readonly learningRate: number; readonly steps: number } = { learningRate: 0, steps: 1 },
): Promise<{ gradient: Float32Array; parameters: Float32Array; metrics: Float32Array }> {
  const { batch, options } = c;
  const size = batch.actions.length;
  const environment = { ...c, stateFields: ["x"], wgsl: "" } as unknown as Environment;
  const ppo = createPpoPlan(gpu!, {
    ...c,
    environment,
    reward: null,
    envs: size,
    steps: 1,
    minibatchSize: size,
    epochs: 1,
    normalizeAdvantages: options.normalizeAdvantages,
    truncationBootstrap: false,
    masked: batch.mask !== undefined,
  });
  const { plan, layout, buffers } = ppo;
  const dispatches = await Promise.all(minibatchStages(ppo).map((stage) => plan.stage(stage)));
  // Transitions are stored in another order than they are visited, as after a shuffle.
  const place = (i: number): number => (i + Math.floor(size / 2)) % size;
  const column = (data: ArrayLike<number>): Float32Array => {
    const out = new Float32Array(size);
    for (let i = 0; i < size; i++) out[place(i)] = data[i]!;
    return out;
  };
  const observations = new Float32Array(size * layout.observationBlocks * 4);
  const mask = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < c.observationSize; k++) {
      observations[place(i) * layout.observationBlocks * 4 + k] =
        batch.observations[i * c.observationSize + k]!;
    }
    for (let k = 0; batch.mask && k < c.actionCount; k++) {
      mask[place(i)]! |= batch.mask[i * c.actionCount + k]! << k;
    }
  }
  write(buffers.observations, observations);
  write(buffers.transitions, Uint32Array.from(column(batch.actions)), 0);
  write(buffers.transitions, mask, size);
  write(buffers.transitions, column(batch.oldLogProbabilities), 2 * size);
  write(buffers.transitions, column(batch.advantages), 6 * size);
  write(buffers.transitions, column(batch.returns), 7 * size);
  write(buffers.transitions, column(batch.oldValues), 8 * size);
  write(
    buffers.indices,
    Uint32Array.from({ length: size }, (_, i) => place(i)),
  );
  write(buffers.parameters, layout.pack(c.parameters));
  const mean = Array.from(batch.advantages).reduce((sum, a) => sum + a, 0) / size;
  const square = Array.from(batch.advantages).reduce((sum, a) => sum + (a - mean) ** 2, 0);
  const scale = 1 / (Math.sqrt(square / Math.max(1, size - 1)) + 1e-8);
  write(
    buffers.statistics,
    options.normalizeAdvantages ? Float32Array.of(mean, scale) : Float32Array.of(0, 1),
  );
  for (let step = 1; step <= adam.steps; step++) {
    const scalars = scalarSlot({
      learningRate: adam.learningRate,
      clip: options.clip,
      clipHigh: options.clipHigh ?? options.clip,
      dualClip: options.dualClip ?? 0,
      valueClip: options.valueClip ?? -1,
      entropyCoefficient: options.entropyCoefficient,
      valueCoefficient: options.valueCoefficient,
      maxGradientNorm: 0.5,
      ...adamScalars(step, 1e-5, 0),
    });
    gpu!.device.queue.writeBuffer(buffers.scalars, 0, scalars.bytes);
    submit(plan, dispatches);
  }
  const gradient = layout.unpack(await read(buffers.gradients, layout.length));
  const parameters = layout.unpack(await read(buffers.parameters, layout.length));
  const metrics = await read(buffers.metrics, METRICS_LENGTH);
  plan.dispose();
  return { gradient, parameters, metrics };
}

const adamScalars = (
  step: number,
  epsilon: number,
  weightDecay: number,
): Partial<Record<Scalar, number>> => ({
  beta1: 0.9,
  beta2: 0.999,
  beta1Complement: 1 - 0.9,
  beta2Complement: 1 - 0.999,
  epsilon,
  weightDecay,
  correction1: 1 - 0.9 ** step,
  correction2: 1 - 0.999 ** step,
});

/** The golden minibatch, its gradients, its metrics and three Adam steps; null, or where they disagree. */
async function ppoDisagreement(name: "ppo_cleanrl" | "ppo_no_vclip_no_norm"): Promise<unknown> {
  const g = golden(name);
  const shape = { observationSize: 3, actionCount: 4, hidden: [5], separateTowers: true };
  const plain = actorCriticLayout(shape);
  const names = ["a.w1", "a.b1", "a.w2", "a.b2", "c.w1", "c.b1", "c.w2", "c.b2"];
  const arena = (tensor: (name: string) => readonly number[]): Float32Array => {
    const data = new Float32Array(plain.length);
    plain.tensors.forEach(({ offset }, i) => data.set(tensor(names[i]!), offset));
    return data;
  };
  const c: MinibatchCase = {
    ...shape,
    parameters: arena((tensor) => g.input(`weights/${tensor}`)),
    batch: {
      observations: g.input("obs"),
      actions: g.input("actions"),
      oldLogProbabilities: g.input("old_logp"),
      advantages: g.input("advantages"),
      returns: g.input("returns"),
      oldValues: g.input("old_values"),
      mask: g.input("mask"),
    },
    options: {
      rowLoss: ppoRowLoss,
      clip: 0.2,
      valueClip: name === "ppo_cleanrl" ? 0.2 : null,
      entropyCoefficient: 0.01,
      valueCoefficient: 0.5,
      normalizeAdvantages: name === "ppo_cleanrl",
    },
  };
  const { gradient, metrics } = await runMinibatch(c);
  const worst = worstDifference(
    gradient,
    arena((tensor) => g.output(`grads/${tensor}`)),
    g.f32,
  );
  if (worst) return { gradient: worst };
  const size = c.batch.actions.length;
  const terms = [
    metrics[metricWord.policyLoss]! / size,
    metrics[metricWord.valueLoss]! / size,
    metrics[metricWord.entropy]! / size,
    metrics[metricWord.kl]! / size,
    metrics[metricWord.clipped]! / size,
    metrics[metricWord.gradientNorm]!,
  ];
  const outputs = ["pg_loss", "v_loss", "entropy", "approx_kl_k3", "clipfrac", "grad_norm"].map(g.scalar);
  const worstTerm = worstDifference(terms, outputs, g.f32);
  if (worstTerm) return { terms: worstTerm };
  if (name === "ppo_no_vclip_no_norm") return null;
  const { parameters } = await runMinibatch(c, { learningRate: g.params["adam_lr"] as number, steps: 3 });
  return worstDifference(
    parameters,
    arena((tensor) => g.output(`adam3_params/${tensor}`)),
    g.f32,
  );
}

/** Five AdamW steps on given gradients without clipping; null, or where they disagree. */
async function adamwDisagreement(): Promise<unknown> {
  const g = golden("adamw");
  const [length, squares] = [16, 4];
  const plan = new StaticPlan(gpu!);
  const scalars = plan.slots(1);
  const gradients = plan.storage("gradients", length);
  const squaresBuffer = plan.storage("squares", squares + 80);
  const parameters = plan.storage("parameters", length);
  const moments = plan.storage("moments", 2 * length);
  const metrics = plan.storage("metrics", METRICS_LENGTH);
  try {
    const dispatch = await plan.stage({
      kernel: adamwKernel,
      constants: { LENGTH: length, SQUARES: squares, VECTORS: 1, ...optimizerConstants() },
      buffers: [scalars, gradients, squaresBuffer, parameters, moments, metrics],
      invocations: squares,
      workgroup: 16,
    });
    write(parameters, Float32Array.from(g.input("p0")));
    for (let step = 1; step <= 5; step++) {
      write(gradients, Float32Array.from(g.input("grads").slice(step * 5 - 5, step * 5)));
      const values = { learningRate: 0.01, maxGradientNorm: 1e9, ...adamScalars(step, 1e-8, 0.1) };
      gpu!.device.queue.writeBuffer(scalars, 0, scalarSlot(values).bytes);
      submit(plan, [dispatch]);
      const after = await read(parameters, 5);
      const worst = worstDifference(after, g.output("params").slice(step * 5 - 5, step * 5), g.f32);
      if (worst) return { step, ...worst };
    }
    return null;
  } finally {
    plan.dispose();
  }
}

/** A minibatch of random data for a random network. */
function randomCase(
  shape: ActorCriticShape,
  size: number,
  options: Partial<MinibatchOptions> = {},
): MinibatchCase {
  const plain = actorCriticLayout(shape);
  const parameters = new Float32Array(plain.length);
  for (const { offset, length, shape: dims } of plain.tensors) {
    const scale = dims.length === 2 ? 1.5 / Math.sqrt(dims[1]!) : 0.3;
    parameters.set(
      random(length, offset + 100).map((x) => x * scale),
      offset,
    );
  }
  return {
    ...shape,
    parameters,
    batch: {
      observations: random(size * shape.observationSize, 1).map((x) => 2 * x),
      actions: random(size, 2).map((x) => Math.floor(((x + 1) / 2) * shape.actionCount)),
      oldLogProbabilities: random(size, 3).map((x) => -Math.log(shape.actionCount) + 0.4 * x),
      advantages: random(size, 4).map((x) => 2 * x + 0.5),
      returns: random(size, 5),
      oldValues: random(size, 6),
    },
    options: {
      rowLoss: ppoRowLoss,
      clip: 0.2,
      valueClip: 0.3,
      entropyCoefficient: 0.02,
      valueCoefficient: 0.7,
      normalizeAdvantages: false,
      ...options,
    },
  };
}

describe.skipIf(!gpu)("update kernels on the GPU", () => {
  test("GAE goldens", async () => {
    expect(await gaeDisagreement()).toBeNull();
  });

  test("PPO goldens: gradients, loss terms, norm, three Adam steps", async () => {
    expect(await ppoDisagreement("ppo_cleanrl")).toBeNull();
    expect(await ppoDisagreement("ppo_no_vclip_no_norm")).toBeNull();
  });

  test("AdamW golden", async () => {
    expect(await adamwDisagreement()).toBeNull();
  });

  test.each<[string, ActorCriticShape, number, number]>([
    ["two towers", { observationSize: 4, actionCount: 2, hidden: [64, 64], separateTowers: true }, 65, 2],
    ["one layer", { observationSize: 1, actionCount: 9, hidden: [20], separateTowers: true }, 7, 1],
    [
      "three layers",
      { observationSize: 6, actionCount: 3, hidden: [12, 40, 9], separateTowers: true },
      257,
      2,
    ],
  ])("loss and gradient against the f64 reference: %s", async (_, shape, size, tile) => {
    const c = { ...randomCase(shape, size), tile };
    const { gradient, metrics } = await runMinibatch(c);
    const network = new ReferenceActorCritic(actorCriticLayout(shape));
    const expected = minibatchLoss(network, c.parameters, c.batch, c.options);
    const norm = globalNorm(expected.gradient);
    // Cancellation over the batch: absolute error in units of the gradient's size.
    const allowed = { relative: 1e-4, absolute: 1e-5 * norm };
    expect(worstDifference(gradient, expected.gradient, allowed)).toBeNull();
    const terms = [
      metrics[metricWord.policyLoss]! / size - expected.policyLoss,
      metrics[metricWord.valueLoss]! / size - expected.valueLoss,
      metrics[metricWord.entropy]! / size - expected.entropy,
      metrics[metricWord.kl]! / size - expected.klK3,
      metrics[metricWord.clipped]! / size - expected.clipFraction,
      metrics[metricWord.gradientNorm]! - norm,
    ];
    expect(worstDifference(terms, [0, 0, 0, 0, 0, 0], { relative: 0, absolute: 2e-5 })).toBeNull();
  });

  test("clipping and AdamW against the f64 reference", async () => {
    const shape = { observationSize: 4, actionCount: 2, hidden: [8], separateTowers: false };
    const c = randomCase(shape, 33);
    const { parameters } = await runMinibatch(c, { learningRate: 0.01, steps: 4 });
    const plain = actorCriticLayout(shape);
    const expected = Float64Array.from(c.parameters);
    const [first, second] = [new Float64Array(plain.length), new Float64Array(plain.length)];
    for (let step = 1; step <= 4; step++) {
      const { gradient } = minibatchLoss(new ReferenceActorCritic(plain), expected, c.batch, c.options);
      const scale = clipCoefficient(globalNorm(gradient), 0.5);
      const clipped = gradient.map((g) => g * scale);
      adamW(expected, clipped, first, second, step, { learningRate: 0.01, epsilon: 1e-5 });
    }
    expect(worstDifference(parameters, expected, { relative: 1e-4, absolute: 1e-5 })).toBeNull();
  });

  test.each<[string, ShaderFault, () => Promise<unknown>]>([
    [
      "the clip's sign",
      { shader: "mlp/forward_loss", find: "vec4f(1.0 - scalars.clip)", replace: "vec4f(1.0 + scalars.clip)" },
      () => ppoDisagreement("ppo_no_vclip_no_norm"),
    ],
    [
      "the clipped branch",
      { shader: "mlp/forward_loss", find: "unclipped >= clipped", replace: "unclipped <= clipped" },
      () => ppoDisagreement("ppo_no_vclip_no_norm"),
    ],
    [
      "the entropy term",
      { shader: "mlp/forward_loss", find: "bonus0 = -entropy_slope", replace: "bonus0 = entropy_slope" },
      () => ppoDisagreement("ppo_no_vclip_no_norm"),
    ],
    [
      "the GAE mask of terminations",
      { shader: "rl/gae", find: "(ended & 1u) != 0u", replace: "(ended & 1u) == 0u" },
      gaeDisagreement,
    ],
    [
      "the GAE mask of the trace",
      { shader: "rl/gae", find: "ended == 0u)", replace: "ended == 2u)" },
      gaeDisagreement,
    ],
    [
      "Adam's bias correction",
      { shader: "optim/adamw", find: "first / scalars.correction1", replace: "first * scalars.correction1" },
      adamwDisagreement,
    ],
  ])("a fault in %s is found", async (_, fault, disagreement) => {
    expect(await withFault(fault, disagreement)).not.toBeNull();
  });
});
