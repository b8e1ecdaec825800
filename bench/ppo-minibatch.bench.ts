import { openGpuDevice } from "../src/gpu/device.ts";
import type { Bench, Measurement } from "./harness/bench.ts";
import { interleave } from "./harness/interleave.ts";
import { checkSameWork, minibatchWork, type Contestant } from "./work/minibatch.ts";
import { createOurCpuMinibatch, createOurMinibatch } from "./work/our-minibatch.ts";

const bench: Bench = {
  where: "page",
  about: "gradient step of PPO: B 2048, 4-64-64-(2+1), clipped loss, value, entropy, Adam",
  isolated: "both",
  async run({ progress, isolated, peers }) {
    const work = minibatchWork();
    const cpu = await createOurCpuMinibatch(work);
    const contestants: Record<string, Contestant> = { cpu };
    const gpu = isolated ? null : await openGpuDevice(navigator.gpu);
    const measurements: Measurement[] = [];
    const perStep: Record<string, number> = {};
    if (gpu) {
      const ours = (contestants["webgpu"] = await createOurMinibatch(gpu, work));
      checkSameWork("our CPU engine", cpu.firstLoss, ours.firstLoss);
      const before = { ...gpu.counters };
      await ours.step();
      const { submits, dispatches, bytes } = gpu.counters;
      const objects = (["buffers", "bindGroups", "pipelines"] as const).reduce(
        (sum, kind) => sum + gpu.counters[kind] - before[kind],
        0,
      );
      Object.assign(perStep, {
        dispatches: dispatches - before.dispatches,
        submits: submits - before.submits,
      });
      measurements.push(
        { metric: "dispatches", unit: "count", value: perStep["dispatches"]! },
        { metric: "submits", unit: "count", value: perStep["submits"]! },
        { metric: "objects-created", unit: "count", value: objects },
        { metric: "gpu-bytes", unit: "bytes", value: bytes },
        { metric: "first-step", unit: "ms", value: ours.firstStep },
      );
    }
    if (peers) {
      const jax = await import("./peers/jax-minibatch.js");
      const wasm = isolated ? "jax-js-wasm-threads" : "jax-js-wasm";
      contestants[wasm] = await jax.createJaxMinibatch("wasm", work);
      if (gpu) {
        progress("compiling jax-js WebGPU");
        contestants["jax-js-webgpu"] = await jax.createJaxMinibatch("webgpu", work);
        progress("compiling tfjs WebGPU");
        const tfjs = await import("./peers/tfjs-minibatch.js");
        contestants["tfjs-webgpu"] = await tfjs.createTfjsMinibatch(work);
      }
      for (const [name, { firstLoss }] of Object.entries(contestants))
        checkSameWork(name, firstLoss, cpu.firstLoss);
    }
    progress(`timing ${Object.keys(contestants).join(", ")}`);
    const { "tfjs-webgpu": slow, ...others } = contestants;
    const steps = (some: Record<string, Contestant>): Record<string, () => Promise<void>> =>
      Object.fromEntries(Object.entries(some).map(([name, { step }]) => [name, step]));
    const times = await interleave(steps(others), {
      rounds: 40,
      budget: 25_000,
      warmUp: 3,
      repeats: { cpu: 3 },
    });
    const measure = (ours: string, theirs: string | null, from = times): void => {
      const [mine, other] = [from[ours]!, theirs === null ? null : from[theirs]!];
      measurements.push({
        ...{ metric: "time", unit: "ms", value: mine.median },
        ...(ours === "cpu" ? { engine: "cpu" } : {}),
        ...(theirs === null ? {} : { peer: theirs, peerValue: other!.median }),
        note: `least ${mine.least.toFixed(2)}${other ? ` against ${other.least.toFixed(2)}` : ""} ms`,
      });
    };
    if (gpu) measure("webgpu", peers ? "jax-js-webgpu" : null);
    if (slow && gpu) {
      const both = { webgpu: contestants["webgpu"]!, "tfjs-webgpu": slow };
      measure("webgpu", "tfjs-webgpu", await interleave(steps(both), { rounds: 8, budget: 20_000 }));
    }
    const threads = isolated ? "jax-js-wasm-threads" : "jax-js-wasm";
    measure("cpu", peers ? threads : null);
    for (const { dispose } of Object.values(contestants)) dispose();
    return measurements;
  },
};

export default bench;
