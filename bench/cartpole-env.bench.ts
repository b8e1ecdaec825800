import { cartPole } from "../src/env/cartpole.ts";
import { openGpuDevice } from "../src/gpu/device.ts";
import { StaticPlan } from "../src/gpu/plan.ts";
import { random4, stream } from "../src/kernels/philox.ts";
import type { Bench } from "./harness/bench.ts";
import { interleave } from "./harness/interleave.ts";
import { readBack } from "./work/our-minibatch.ts";
import source from "./work/environment.wgsl?raw";

const ENVS = 8192;
const STEPS = 256;

const bench: Bench = {
  where: "page",
  about: `CartPole alone: ${ENVS} environments, ${STEPS} steps a dispatch, random actions, new episodes`,
  async run() {
    const environment = cartPole();
    const { stateFields, maxEpisodeSteps, wgsl } = environment;
    const size = stateFields.length;
    const start = new Float32Array(ENVS * size);
    const words = new Uint32Array(4);
    for (let n = 0; n < ENVS; n++) {
      random4(1, stream.reset, 0, n, words);
      environment.reset(start, n * size, words);
    }
    // The twin in TypeScript: one thread, the same steps.
    const states = start.slice();
    const out = new Float32Array(2);
    const lengths = new Uint32Array(ENVS);
    let episodes = 0;
    const onCpu = (): Promise<void> => {
      for (let n = 0; n < 256; n++) {
        for (let t = 0; t < STEPS; t++) {
          if (t % 32 === 0) random4(1, stream.action, t, n, words);
          environment.step(states, n * size, (words[0]! >>> (t % 32)) & 1, out);
          lengths[n]!++;
          if (out[1] === 0 && lengths[n]! < maxEpisodeSteps) continue;
          random4(1, stream.reset, t, n, words);
          environment.reset(states, n * size, words);
          lengths[n] = 0;
          episodes++;
        }
      }
      return Promise.resolve();
    };
    const gpu = await openGpuDevice(navigator.gpu);
    const contestants: Record<string, () => Promise<unknown>> = { cpu: onCpu };
    const plan = gpu && new StaticPlan(gpu);
    let ended: GPUBuffer | null = null;
    if (gpu && plan) {
      const settings = plan.storage("settings", 1);
      const environments = plan.storage("environments", ENVS * size);
      ended = plan.storage("ended", ENVS);
      const dispatch = await plan.stage({
        kernel: { name: "bench/environment", source, bindings: ["read", "write", "write"] },
        constants: { ENVS, STEPS, STATE_SIZE: size, MAX_EPISODE_STEPS: maxEpisodeSteps },
        parts: { environment: wgsl },
        buffers: [settings, environments, ended],
        invocations: ENVS,
        workgroup: gpu.software ? 16 : 64,
      });
      gpu.device.queue.writeBuffer(environments, 0, start);
      let round = 0;
      contestants["webgpu"] = async () => {
        gpu.device.queue.writeBuffer(settings, 0, Uint32Array.of(round++));
        const encoder = gpu.device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        plan.encode(pass, dispatch, 0);
        pass.end();
        gpu.submit(encoder);
        await gpu.device.queue.onSubmittedWorkDone();
      };
    }
    const times = await interleave(contestants, { rounds: 40, budget: 15_000, warmUp: 2 });
    const rate = (name: string, steps: number): number => (steps / times[name]!.median) * 1000;
    // Random play ends an episode after some 22 steps: what ended says that the steps were taken.
    const perEpisode = (steps: number, count: number): void => {
      if (!(steps / count > 15 && steps / count < 35)) throw new Error(`${steps / count} steps an episode`);
    };
    perEpisode((times["cpu"]!.runs + 2) * 256 * STEPS, episodes);
    const measurements = [
      { metric: "steps-per-second", unit: "steps/s", value: rate("cpu", 256 * STEPS), engine: "cpu" },
    ];
    if (!gpu || !ended) return measurements;
    const all = await readBack(gpu, ended, ENVS);
    const endedInAll = new Uint32Array(all.buffer).reduce((sum, n) => sum + n, 0);
    perEpisode((times["webgpu"]!.runs + 2) * ENVS * STEPS, endedInAll);
    plan?.dispose();
    gpu.dispose();
    return [
      { metric: "steps-per-second", unit: "steps/s", value: rate("webgpu", ENVS * STEPS) },
      ...measurements,
    ];
  },
};

export default bench;
