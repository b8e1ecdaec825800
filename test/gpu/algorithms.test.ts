import { describe, expect, test } from "vitest";
import { cartPole } from "../../src/env/cartpole.ts";
import { behaviourCloning } from "../../src/rl/behaviour-cloning.ts";
import type { EngineRequest } from "../../src/rl/engine.ts";
import { createWebGpuEngine } from "../../src/rl/webgpu-engine.ts";
import { cartPoleDemonstrations } from "../support/demonstrations.ts";
import { algorithmVariants } from "../support/algorithm-variants.ts";
import { hosted } from "../support/hosted.ts";
import { sameBits } from "../support/reference-update.ts";
import { compareEngines } from "./compare-engines.ts";
import { gpu } from "./support.ts";

/** Those that between them have every kernel's every branch; `algorithms.proof.ts` has all, over 50 updates. */
const short = [
  "asymmetric and dual clip",
  "a KL stop before a step",
  "a KL stop after an epoch",
  "A2C",
  "TensorFlow's RMSprop",
  "REINFORCE over whole episodes",
  "GRPO over whole episodes",
  "RLOO over whole episodes",
  "a cost limit on one trunk, with normalised rewards",
  "a cost limit",
  "a loss of one's own",
  "a loss of one's own that mixes, on one trunk",
  "two factors with a mask",
  "a normal distribution",
  "two normal distributions",
];

const variant = (name: string): EngineRequest => algorithmVariants.find((it) => it[0] === name)![1];

/** Four hidden layers, whose gradients share two buffers. */
const deep = (): EngineRequest => {
  const request = variant("a cost limit on one trunk, with normalised rewards");
  const algorithm = { ...request.algorithm, normalizeObservations: true, hidden: [9, 6, 12, 5] };
  return { ...request, algorithm };
};

describe.skipIf(!gpu)("every algorithm on both engines", () => {
  test.each(algorithmVariants.filter(([name]) => short.includes(name)))("%s", async (_, request) => {
    await compareEngines(request, 2);
  });

  test("four hidden layers, on observations normalised", async () => {
    // Most of its kernels have been compiled for that variant's own test.
    await compareEngines(deep(), 1);
  });

  test("behaviour cloning", async () => {
    const algorithm = behaviourCloning({
      demonstrations: cartPoleDemonstrations(60),
      hidden: [9],
      minibatchSize: 20,
    });
    await compareEngines({ environment: cartPole(), reward: null, algorithm, seed: 1 }, 2);
  });
});

// The kernels that make the updates have been compiled for the tests above.
describe.skipIf(!gpu)("a host environment on both engines", () => {
  const byHost = (request: EngineRequest): EngineRequest => ({
    ...request,
    environment: hosted(request.environment),
  });
  const plain = variant("asymmetric and dual clip");

  test.each([
    ["step after step", plain],
    ["two factors with a mask", variant("two factors with a mask")],
    ["a normal distribution", variant("a normal distribution")],
    ["whole episodes", variant("RLOO over whole episodes")],
    ["a cost, and observations and rewards normalised", deep()],
  ])("%s", async (_, request) => {
    await compareEngines(byHost(request), 3, undefined, hosted(request.environment));
  });

  test("the GPU makes the updates that it makes where the same environment is compiled", async () => {
    const [compiled, stepped] = await Promise.all(
      [plain, byHost(plain)].map(async (request) => {
        const engine = await createWebGpuEngine(request, gpu!);
        for (let i = 0; i < 4; i++) await engine.submit();
        const state = await engine.save();
        engine.dispose();
        return state;
      }),
    );
    expect(stepped!.environmentState).toEqual(compiled!.environmentState);
    expect(stepped!.episodeLength).toEqual(compiled!.episodeLength);
    const furthest = compiled!.parameters.reduce(
      (most, x, i) => Math.max(most, Math.abs(x - stepped!.parameters[i]!)),
      0,
    );
    expect(furthest).toBeLessThan(5e-5);
  });

  test("a run that goes on with what its environments saved has the same bits", async () => {
    const whole = await createWebGpuEngine(byHost(plain), gpu!);
    for (let i = 0; i < 2; i++) await whole.submit();
    const middle = structuredClone(await whole.save());
    for (let i = 0; i < 2; i++) await whole.submit();
    const resumed = await createWebGpuEngine(byHost(plain), gpu!);
    await resumed.submit();
    await resumed.flush();
    resumed.load(middle);
    for (let i = 0; i < 2; i++) await resumed.submit();
    expect(sameBits(await resumed.save(), await whole.save())).toBe(true);
    whole.dispose();
    resumed.dispose();
  });
});
