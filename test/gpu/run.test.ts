import { describe, expect, test } from "vitest";
import { cartPole } from "../../src/env/cartpole.ts";
import { openGpuDevice, type GpuDevice } from "../../src/gpu/device.ts";
import { createCpuLanguageEngine } from "../../src/lm/cpu-language-engine.ts";
import { defineReward } from "../../src/reward/define-reward.ts";
import type { TrainingState } from "../../src/rl/engine.ts";
import { ppo } from "../../src/rl/ppo.ts";
import { createWebGpuEngine } from "../../src/rl/webgpu-engine.ts";
import { openStore } from "../../src/store/open.ts";
import { nodeHosts } from "../../src/train/node-hosts.ts";
import { simulatedJob } from "../../src/train/simulated-job.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { gpu } from "./support.ts";

describe.skipIf(!gpu)("a run on the GPU", () => {
  test("whose device is lost in the middle ends with the bits of one whose device is not", async () => {
    const algorithm = ppo({
      envs: 6,
      steps: 16,
      minibatchSize: 32,
      epochs: 2,
      hidden: [24, 16],
      totalSteps: 960,
    });
    const job = simulatedJob({ env: cartPole(), algorithm, seed: 7, engine: "webgpu" });
    const ends: TrainingState[] = [];
    let opened = 0;
    for (const first of [gpu!, (await openGpuDevice(navigator.gpu))!]) {
      const store = await openStore({ backend: "memory" });
      let time = 0;
      const trainer = new Trainer({
        store,
        createEngine: async (request) => {
          const device: GpuDevice = opened++ === 1 ? first : gpu!;
          const engine = await createWebGpuEngine(request, device);
          if (device === gpu) return engine;
          const submit = engine.submit.bind(engine);
          return Object.assign(engine, {
            submit: () => {
              if (engine.update === 6) device.device.destroy();
              return submit();
            },
          });
        },
        createLanguageEngine: (shape, seed) => createCpuLanguageEngine(shape, { seed }),
        ...nodeHosts,
        // Every third look at the clock is time for a checkpoint.
        now: () => (time += 250),
        randomBytes: (bytes) => bytes.fill(1),
        locks: null,
      });
      const id = await trainer.start(job, { notebook: null, cell: null });
      expect(await trainer.result(id)).toMatchObject({ status: "succeeded", engine: "webgpu", update: 10 });
      ends.push((await store.checkpoint(id))!.state as TrainingState);
    }
    // One for the first run, two for the other.
    expect(opened).toBe(3);
    expect(ends[1]).toEqual(ends[0]);
  });

  test("with a reward that is no number stops, and says where", async () => {
    const job = simulatedJob({
      env: cartPole(),
      // Some pole leans this far before its episode ends.
      reward: defineReward.step("(s, a, next) => Math.sqrt(0.2 - Math.abs(next.theta))"),
      algorithm: ppo({ envs: 8, steps: 32, minibatchSize: 64, epochs: 1, hidden: [16], totalSteps: 512 }),
      seed: 2,
      engine: "webgpu",
    });
    const store = await openStore({ backend: "memory" });
    const trainer = new Trainer({
      store,
      createEngine: (request) => createWebGpuEngine(request, gpu!),
      createLanguageEngine: (shape, seed) => createCpuLanguageEngine(shape, { seed }),
      ...nodeHosts,
      now: () => 0,
      randomBytes: (bytes) => bytes.fill(1),
      locks: null,
    });
    const id = await trainer.start(job, { notebook: null, cell: null });
    const error = await trainer.result(id).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "train/not-finite" });
    const [, theta] =
      /^rewardMean became NaN in update 1;.* a reward of NaN: environment \d, .*; then .*theta (-?[\d.]+)/.exec(
        (error as Error).message,
      )!;
    expect(Math.abs(Number(theta))).toBeGreaterThan(0.2);
  });
});
