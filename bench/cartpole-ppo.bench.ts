import { cartPole } from "../src/env/cartpole.ts";
import { openGpuDevice } from "../src/gpu/device.ts";
import { createCpuEngine } from "../src/rl/cpu-engine.ts";
import type { EngineRequest, TrainingEngine } from "../src/rl/engine.ts";
import { ppo } from "../src/rl/ppo.ts";
import { createWebGpuEngine } from "../src/rl/webgpu-engine.ts";
import type { Bench, Measurement } from "./harness/bench.ts";
import { interleave } from "./harness/interleave.ts";

const wide = { envs: 1024, steps: 32, minibatchSize: 2048, epochs: 4, separateTowers: false } as const;

const bench: Bench = {
  where: "page",
  about: "PPO on CartPole end to end: 1024 environments x 32 steps, 4 epochs of B 2048, 4-64-64-(2+1)",
  async run() {
    const gpu = await openGpuDevice(navigator.gpu);
    const request = (options: Parameters<typeof ppo>[0]): EngineRequest => ({
      environment: cartPole(),
      reward: null,
      algorithm: ppo({ ...options, totalSteps: 1e8 }),
      seed: 1,
    });
    const measurements: Measurement[] = [];
    /** Both engines in turn, `updates` updates at a time, as a run submits them. */
    const race = async (
      options: Parameters<typeof ppo>[0],
      updates: number,
      rounds: number,
      note?: string,
    ): Promise<void> => {
      const of = request(options);
      const engines: Record<string, TrainingEngine> = { cpu: await createCpuEngine(of) };
      if (gpu) engines["webgpu"] = await createWebGpuEngine(of, gpu);
      const updatesSeen: Record<string, number> = {};
      for (const [name, engine] of Object.entries(engines)) {
        engine.onMetrics = ({ update, entropy }) => {
          if (entropy > 0) updatesSeen[name] = update;
        };
      }
      const run = (engine: TrainingEngine) => async (): Promise<void> => {
        for (let i = 0; i < updates; i++) await engine.submit();
        await engine.flush();
      };
      const times = await interleave(
        Object.fromEntries(Object.entries(engines).map(([name, engine]) => [name, run(engine)])),
        { rounds, budget: 20_000 },
      );
      const steps = updates * of.algorithm.envs * of.algorithm.steps;
      for (const name of Object.keys(engines).reverse()) {
        const expected = (times[name]!.runs + 1) * updates;
        if (updatesSeen[name] !== expected) throw new Error(`${name}: not ${expected} updates`);
        measurements.push({
          ...{ metric: "steps-per-second", unit: "steps/s", value: (steps / times[name]!.median) * 1000 },
          ...(name === "cpu" ? { engine: "cpu" } : {}),
          ...(note === undefined ? {} : { note }),
        });
      }
      for (const engine of Object.values(engines)) engine.dispose();
    };
    await race(wide, 1, 8);
    await race({}, 4, 8, "preset sb3-zoo-cartpole: 8 x 32, 20 epochs of B 256, two towers");
    gpu?.dispose();
    return measurements;
  },
};

export default bench;
