import { cartPole } from "../../src/env/cartpole.ts";
import type { GpuDevice } from "../../src/gpu/device.ts";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { ppo } from "../../src/rl/ppo.ts";
import { createWebGpuEngine } from "../../src/rl/webgpu-engine.ts";
import { createOurGpt, gptShape, gptWork } from "../work/gpt.ts";
import { minibatchWork } from "../work/minibatch.ts";
import { createOurMinibatch } from "../work/our-minibatch.ts";

/** Jobs that `npm run profile` can take apart; each resolves with what is then measured once. */
export const profiles: Readonly<Record<string, (gpu: GpuDevice) => Promise<() => Promise<unknown>>>> = {
  "ppo-minibatch": async (gpu) => {
    const minibatch = await createOurMinibatch(gpu, minibatchWork());
    return () => minibatch.step();
  },
  "cartpole-ppo": async (gpu) => {
    const algorithm = ppo({
      ...{ envs: 1024, steps: 32, minibatchSize: 2048, epochs: 4, separateTowers: false, totalSteps: 1e8 },
    });
    const engine = await createWebGpuEngine(
      { environment: cartPole(), reward: null, algorithm, seed: 1 },
      gpu,
    );
    await engine.submit();
    await engine.flush();
    return async () => {
      await engine.submit();
      await engine.flush();
    };
  },
  "gpt-step": async (gpu) => {
    const work = gptWork(8);
    const make = (): ReturnType<typeof createWebGpuLanguageEngine> =>
      createWebGpuLanguageEngine(gptShape, { seed: 1, device: gpu, maxBatch: work.rows });
    const gpt = await createOurGpt(make, work);
    return () => gpt.step();
  },
};
