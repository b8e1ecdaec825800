import { expect, test } from "vitest";
import { cartPole } from "../../src/env/cartpole.ts";
import { ppo } from "../../src/rl/ppo.ts";
import { openStore } from "../../src/store/open.ts";
import { train } from "../../src/train/train.ts";
import { gpu } from "./support.ts";

test.skipIf(!gpu?.software)(
  "on a software adapter a run takes the CPU engine by itself, and says so",
  async () => {
    const store = await openStore({ backend: "memory" });
    const job = { store, env: cartPole(), algorithm: ppo({ totalSteps: 512 }) };
    const chosen = await train(job);
    expect(chosen).toMatchObject({ engine: "cpu", adapter: "WebAssembly SIMD" });
    expect((await store.run(chosen.runId))!.reason).toContain(`${gpu!.adapter} is a software adapter`);
    // Who asks for the adapter gets it.
    const asked = await train({ ...job, engine: "webgpu" });
    expect(asked).toMatchObject({ engine: "webgpu", adapter: gpu!.adapter });
    expect((await store.run(asked.runId))!.reason).toBeNull();
    store.close();
  },
);
