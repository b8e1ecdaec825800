import { openGpuDevice } from "../src/gpu/device.ts";
import { createCpuLanguageEngine } from "../src/lm/cpu-language-engine.ts";
import { createWebGpuLanguageEngine } from "../src/lm/webgpu-language-engine.ts";
import type { LanguageEngine } from "../src/lm/language-engine.ts";
import type { Bench, Measurement } from "./harness/bench.ts";
import { callsOf, countGpuCalls, type GpuCalls } from "./harness/gpu-calls.ts";
import { interleave, type Timing } from "./harness/interleave.ts";
import { createOurGpt, gptShape, gptWork } from "./work/gpt.ts";
import { checkSameWork, type Contestant } from "./work/minibatch.ts";
import { createThreadedGpt } from "./work/threaded-gpt.ts";

const bench: Bench = {
  where: "page",
  about:
    "optimizer step of a decoder: 836,736 parameters, d 128, L 4, H 4, T 128, V 256, B 8, tied head, Adam",
  isolated: "both",
  async run({ progress, isolated, peers }) {
    const measurements: Measurement[] = [];
    const time = (
      ours: Timing,
      theirs: { readonly peer: string; readonly timing: Timing } | null,
      extra: Partial<Measurement> & { readonly shape?: string } = {},
    ): void => {
      const { shape, ...rest } = extra;
      const least = `least ${ours.least.toFixed(0)}${theirs ? ` against ${theirs.timing.least.toFixed(0)}` : ""} ms`;
      measurements.push({
        ...{ metric: "time", unit: "ms", value: ours.median },
        ...(theirs === null ? {} : { peer: theirs.peer, peerValue: theirs.timing.median }),
        ...rest,
        note: shape === undefined ? least : `${shape}; ${least}`,
      });
    };
    const race = async (
      contestants: Record<string, Contestant>,
      options: { readonly rounds: number; readonly budget: number },
    ): Promise<Record<string, Timing>> => {
      const entries = Object.entries(contestants);
      progress(`timing ${entries.map(([name]) => name).join(", ")}`);
      return interleave(Object.fromEntries(entries.map(([name, { step }]) => [name, step])), {
        warmUp: 0,
        ...options,
      });
    };

    const work = gptWork(8);
    const cpu = await createOurGpt(() => createCpuLanguageEngine(gptShape, { seed: 1 }), work);
    const jax = peers ? await import("./peers/jax-gpt.js") : null;
    const calls = typeof GPUDevice === "function" ? countGpuCalls() : null;
    const gpu = isolated ? null : await openGpuDevice(navigator.gpu);
    if (gpu && calls) {
      const counts: Record<string, GpuCalls> = {};
      const makeOurs = (): Promise<LanguageEngine> =>
        createWebGpuLanguageEngine(gptShape, { seed: 1, device: gpu, maxBatch: work.rows });
      const ours = await createOurGpt(makeOurs, work);
      checkSameWork("our CPU engine", cpu.firstLoss, ours.firstLoss);
      measurements.push({ metric: "first-step", unit: "ms", value: ours.firstStep });
      const others: Record<string, Contestant> = {};
      const ourBytes = calls.mostBytes;
      calls.mostBytes = calls.bytes = 0;
      if (jax) {
        progress("compiling jax-js WebGPU");
        others["jax-js-webgpu"] = await jax.createJaxGpt("webgpu", work);
        checkSameWork("jax-js WebGPU", others["jax-js-webgpu"].firstLoss, ours.firstLoss);
      }
      const counted = Object.entries({ webgpu: ours, ...others }).map(([name, contestant]) => ({
        ...{ name, ...contestant },
        step: async () => void (counts[name] = await callsOf(calls, contestant.step)),
      }));
      const times = await race(
        Object.fromEntries(counted.map((contestant) => [contestant.name, contestant])),
        { rounds: 3, budget: 0 },
      );
      time(times["webgpu"]!, jax ? { peer: "jax-js-webgpu", timing: times["jax-js-webgpu"]! } : null);
      const mine = counts["webgpu"]!;
      const theirs = counts["jax-js-webgpu"];
      for (const [metric, of] of [
        ["dispatches", (c: GpuCalls) => c.dispatches],
        ["submits", (c: GpuCalls) => c.submits],
        ["gpu-bytes", (c: GpuCalls) => (c === mine ? ourBytes : c.mostBytes)],
      ] as const) {
        const unit = metric === "gpu-bytes" ? "bytes" : "count";
        measurements.push({
          ...{ metric, unit, value: of(mine) },
          ...(theirs ? { peer: "jax-js-webgpu", peerValue: of(theirs) } : {}),
        });
      }
      measurements.push({ metric: "objects-created", unit: "count", value: mine.buffers + mine.bindGroups });
      ours.dispose();
      for (const other of Object.values(others)) other.dispose();
      if (peers) {
        // At B 8 a step of tfjs takes 40 s.
        const small = gptWork(2);
        const oursSmall = await createOurGpt(makeOurs, small);
        progress("compiling tfjs WebGPU at B 2");
        const tfjs = await (await import("./peers/tfjs-gpt.js")).createTfjsGpt(small);
        checkSameWork("tfjs WebGPU", tfjs.firstLoss, oursSmall.firstLoss);
        const slow = await race({ webgpu: oursSmall, "tfjs-webgpu": tfjs }, { rounds: 2, budget: 0 });
        time(slow["webgpu"]!, { peer: "tfjs-webgpu", timing: slow["tfjs-webgpu"]! }, { shape: "B 2" });
        oursSmall.dispose();
        tfjs.dispose();
      }
      gpu.dispose();
    }
    const wasm = isolated ? "jax-js-wasm-threads" : "jax-js-wasm";
    const contestants: Record<string, Contestant> = { cpu };
    if (jax) {
      progress(`compiling ${wasm}`);
      contestants[wasm] = await jax.createJaxGpt("wasm", work);
      checkSameWork(wasm, contestants[wasm].firstLoss, cpu.firstLoss);
    }
    const threaded = isolated ? await createThreadedGpt(8) : null;
    if (threaded) {
      checkSameWork("our CPU engine with threads", threaded.firstLoss, cpu.firstLoss, 0);
      contestants["cpu-threads"] = threaded;
    }
    const times = await race(contestants, { rounds: 9, budget: 6000 });
    const peer = jax ? { peer: wasm, timing: times[wasm]! } : null;
    time(times["cpu"]!, peer, { engine: "cpu" });
    if (threaded) {
      const extra = { engine: "cpu", shape: `${threaded.threads} threads` };
      time(times["cpu-threads"]!, { peer: "one-thread", timing: times["cpu"]! }, extra);
      if (peer) time(times["cpu-threads"]!, peer, extra);
      threaded.dispose();
    }
    cpu.dispose();
    return measurements;
  },
};

export default bench;
