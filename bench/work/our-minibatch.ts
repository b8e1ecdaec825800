import type { Environment } from "../../src/env/environment.ts";
import type { GpuDevice } from "../../src/gpu/device.ts";
import { policyHead } from "../../src/kernels/action-space.ts";
import { METRICS_LENGTH, metricWord } from "../../src/kernels/metrics.ts";
import { ScalarSlots, type Scalar } from "../../src/kernels/scalars.ts";
import { ppoMetrics, ppoScalars } from "../../src/kernels/wasm/policy.ts";
import { actorCriticLayout } from "../../src/nn/parameter-layout.ts";
import { createCpuKernels } from "../../src/rl/cpu-kernels.ts";
import { minibatchStages } from "../../src/rl/webgpu-minibatch.ts";
import { createPpoPlan } from "../../src/rl/webgpu-plan.ts";
import type { Contestant, MinibatchWork } from "./minibatch.ts";

const [beta1, beta2] = [0.9, 0.999];

const totalLoss = (work: MinibatchWork, surrogate: number, value: number, entropy: number): number =>
  surrogate + work.valueCoefficient * value - work.entropyCoefficient * entropy;

/** The minibatch dispatches of the WebGPU engine, as an update submits them. */
export async function createOurMinibatch(gpu: GpuDevice, work: MinibatchWork): Promise<Contestant> {
  const began = performance.now();
  const { size } = work;
  const { observationSize, actionCount } = work;
  const environment = {
    ...{ observationSize, actionCount, stateFields: ["x"], wgsl: "" },
  } as unknown as Environment;
  const ppo = createPpoPlan(gpu, {
    ...{ environment, reward: null, envs: size, steps: 1, minibatchSize: size, epochs: 1 },
    ...{ hidden: work.hidden, separateTowers: false, normalizeAdvantages: false, truncationBootstrap: false },
  });
  const { plan, layout, buffers } = ppo;
  const dispatches = await Promise.all(minibatchStages(ppo).map((stage) => plan.stage(stage)));
  const { queue } = gpu.device;
  const write = (buffer: GPUBuffer, data: ArrayBufferView<ArrayBuffer>, at = 0): void =>
    queue.writeBuffer(buffer, at * 4, data);
  write(buffers.observations, work.observations);
  write(buffers.transitions, Uint32Array.from(work.actions));
  write(buffers.transitions, work.oldLogProbabilities, 2 * size);
  write(buffers.transitions, work.advantages, 6 * size);
  write(buffers.transitions, work.returns, 7 * size);
  write(
    buffers.indices,
    Uint32Array.from({ length: size }, (_, i) => i),
  );
  write(buffers.parameters, layout.pack(work.parameters));
  write(buffers.statistics, Float32Array.of(0, 1));
  const slots = new ScalarSlots(1);
  const constants: Partial<Record<Scalar, number>> = {
    ...{ learningRate: work.learningRate, clip: work.clip, clipHigh: work.clip, valueClip: -1 },
    ...{ entropyCoefficient: work.entropyCoefficient, valueCoefficient: work.valueCoefficient },
    ...{ maxGradientNorm: work.maxGradientNorm, beta1, beta2, epsilon: work.epsilon, weightDecay: 0 },
    ...{ beta1Complement: 1 - beta1, beta2Complement: 1 - beta2 },
  };
  for (const [name, value] of Object.entries(constants)) slots.set(0, name as Scalar, value);
  let steps = 0;
  const step = async (): Promise<void> => {
    steps++;
    slots.set(0, "correction1", 1 - beta1 ** steps);
    slots.set(0, "correction2", 1 - beta2 ** steps);
    queue.writeBuffer(buffers.scalars, 0, slots.bytes);
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const dispatch of dispatches) plan.encode(pass, dispatch, 0);
    pass.end();
    gpu.submit(encoder);
    await queue.onSubmittedWorkDone();
  };
  await step();
  const firstStep = performance.now() - began;
  const metrics = await readBack(gpu, buffers.metrics, METRICS_LENGTH);
  const mean = (name: keyof typeof metricWord): number => metrics[metricWord[name]]! / size;
  return {
    step,
    firstStep,
    firstLoss: totalLoss(work, mean("policyLoss"), mean("valueLoss"), mean("entropy")),
    dispose: () => plan.dispose(),
  };
}

/** The CPU engine's kernels in the same order as `CpuUpdate` runs them, one thread. */
export async function createOurCpuMinibatch(work: MinibatchWork): Promise<Contestant> {
  const began = performance.now();
  const { size, observationSize, actionCount, hidden } = work;
  const kernels = await createCpuKernels({
    layout: actorCriticLayout({ observationSize, actionCount, hidden, separateTowers: false }),
    head: policyHead({ actionCount }),
    ...{ observationSize, envs: 4, minibatchSize: size, clipsValue: false },
  });
  kernels.parameters.set(work.parameters);
  const values: Record<(typeof ppoScalars)[number], number> = {
    ...{ clip: work.clip, clipHigh: work.clip, dualClip: 0, valueClip: 0 },
    ...{ entropyCoefficient: work.entropyCoefficient, valueCoefficient: work.valueCoefficient },
  };
  ppoScalars.forEach((name, i) => (kernels.scalars[i] = values[name]));
  const { training } = kernels;
  const { columns } = training;
  let steps = 0;
  const step = (): Promise<void> => {
    kernels.gradient.fill(0);
    kernels.metrics.fill(0);
    for (let first = 0; first < size; first += columns) {
      for (let c = 0; c < columns; c++) {
        const row = first + c;
        for (let o = 0; o < observationSize; o++) {
          training.observations[o * columns + c] = work.observations[row * observationSize + o]!;
        }
        training.actions[c] = work.actions[row]!;
        training.oldLogProbabilities[c] = work.oldLogProbabilities[row]!;
        training.advantages[c] = work.advantages[row]!;
        training.returns[c] = work.returns[row]!;
      }
      training.weights.fill(1 / size);
      training.accumulate();
    }
    steps++;
    const norm = Math.sqrt(kernels.sumOfSquares());
    const scale = Math.min(1, work.maxGradientNorm / (norm + 1e-6));
    const rootCorrection = 1 / Math.sqrt(1 - beta2 ** steps);
    kernels.adamW(scale, 1, work.learningRate / (1 - beta1 ** steps), rootCorrection, work.epsilon);
    return Promise.resolve();
  };
  await step();
  const firstStep = performance.now() - began;
  const sum = (name: (typeof ppoMetrics)[number]): number => {
    const at = 4 * ppoMetrics.indexOf(name);
    return kernels.metrics.subarray(at, at + 4).reduce((total, lane) => total + lane, 0);
  };
  const firstLoss = totalLoss(work, sum("policyLoss"), sum("valueLoss"), sum("entropy"));
  return { step, firstStep, firstLoss, dispose: () => undefined };
}

/** Copies a buffer's first elements back. */
export async function readBack(gpu: GpuDevice, buffer: GPUBuffer, length: number): Promise<Float32Array> {
  const staging = gpu.device.createBuffer({ size: length * 4, usage: 0x1 | 0x8 });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, length * 4);
  gpu.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const data = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return data;
}
