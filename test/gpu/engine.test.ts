import { describe, expect, test } from "vitest";
import type { CompiledReward } from "../../src/compile/compiled-reward.ts";
import { cartPole } from "../../src/env/cartpole.ts";
import { openGpuDevice } from "../../src/gpu/device.ts";
import { createCpuEngine } from "../../src/rl/cpu-engine.ts";
import type { EngineRequest, TrainingEngine, TrainingState, UpdateMetrics } from "../../src/rl/engine.ts";
import { ppo, type PpoOptions } from "../../src/rl/ppo.ts";
import { createWebGpuEngine } from "../../src/rl/webgpu-engine.ts";
import { gpu } from "./support.ts";

const request = (options: PpoOptions = {}, more: Partial<EngineRequest> = {}): EngineRequest => ({
  environment: cartPole(),
  reward: null,
  algorithm: ppo({ envs: 6, steps: 16, minibatchSize: 32, epochs: 2, hidden: [24, 16], ...options }),
  seed: 11,
  ...more,
});

/** Runs updates and returns their metrics; the engine stays. */
async function run(engine: TrainingEngine, updates: number): Promise<UpdateMetrics[]> {
  const metrics: UpdateMetrics[] = [];
  engine.onMetrics = (m) => metrics.push(m);
  for (let i = 0; i < updates; i++) await engine.submit();
  await engine.flush();
  return metrics;
}

const bits = (state: TrainingState): unknown =>
  Object.fromEntries(
    Object.entries(state).map(([name, value]) => [
      name,
      ArrayBuffer.isView(value)
        ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")
        : value,
    ]),
  );

/** Rewards staying near the middle and reads every argument. */
const reward: CompiledReward = {
  source: "(s, a, next) => 1 - next.x * next.x + 0.125 * a * s.theta",
  wgsl: `fn step_reward(s: array<f32, 4>, a: f32, next: array<f32, 4>) -> f32 {
  return (1.0 - next[0] * next[0]) + (0.125 * a) * s[2];
}`,
  evaluate: (s, sAt, a: number, next, nextAt) => {
    const f = Math.fround;
    return f(f(1 - f(next[nextAt]! * next[nextAt]!)) + f(f(0.125 * a) * s[sAt + 2]!));
  },
};

describe.skipIf(!gpu)("WebGPU engine", () => {
  test("same seed, same bits; another seed, others", async () => {
    const states: unknown[] = [];
    for (const seed of [11, 11, 12]) {
      const engine = await createWebGpuEngine(request({}, { seed }), gpu!);
      await run(engine, 3);
      states.push(bits(await engine.save()));
      engine.dispose();
    }
    expect(states[1]).toEqual(states[0]);
    expect(states[2]).not.toEqual(states[0]);
  });

  test("saved in mid-run and loaded elsewhere, it ends with the same bits", async () => {
    const whole = await createWebGpuEngine(request(), gpu!);
    await run(whole, 2);
    // Submits go on while the state is on its way.
    const saving = whole.save();
    const overlapping = whole.save();
    await run(whole, 2);
    const middle = structuredClone(await saving);
    expect(middle.update).toBe(2);
    expect(bits(await overlapping)).toEqual(bits(middle));
    const resumed = await createWebGpuEngine(request(), gpu!);
    await run(resumed, 1);
    resumed.load(middle);
    const metrics = await run(resumed, 2);
    expect(metrics.map((m) => m.update)).toEqual([3, 4]);
    expect(bits(await resumed.save())).toEqual(bits(await whole.save()));
    expect(() => resumed.load({ ...middle, episodeReturn: new Float32Array(5) })).toThrow(
      expect.objectContaining({ code: "rl/state-size" }),
    );
    whole.dispose();
    resumed.dispose();
  });

  test("the steady state creates no GPU object and one submit an update", async () => {
    const engine = await createWebGpuEngine(request(), gpu!);
    await run(engine, 1);
    const before = { ...gpu!.counters };
    const metrics = await run(engine, 5);
    const after = gpu!.counters;
    expect(after).toEqual({
      ...before,
      submits: before.submits + 5,
      // Rollout, GAE, shuffle, statistics; six for each of 2 epochs x 3 minibatches.
      dispatches: before.dispatches + 5 * (4 + 6 * 6),
    });
    expect(metrics.map((m) => m.update)).toEqual([2, 3, 4, 5, 6]);
    expect(metrics.at(-1)!.step).toBe(6 * 96);
    engine.dispose();
    expect(gpu!.counters.bytes).toBeLessThan(before.bytes);
  });

  test.each<[string, PpoOptions, CompiledReward | null]>([
    ["two towers", {}, null],
    ["a trunk, value clip, entropy, decay, odd sizes", odd(), null],
    ["a compiled reward", { steps: 12, minibatchSize: 24 }, reward],
  ])("agrees with the CPU engine: %s", async (_, options, trained) => {
    const environment = { ...cartPole(), maxEpisodeSteps: 15 };
    const job = request(options, { environment, reward: trained });
    const onGpu = await createWebGpuEngine(job, gpu!);
    const onCpu = await createCpuEngine(job);
    for (let update = 0; update < 3; update++) {
      const [a] = await run(onGpu, 1);
      const [b] = await run(onCpu, 1);
      for (const name of Object.keys(b!) as (keyof UpdateMetrics)[]) {
        const scale = Math.max(1, Math.abs(b![name]));
        if (Number.isNaN(b![name])) expect(a![name], name).toBeNaN();
        else expect(Math.abs(a![name] - b![name]) / scale, name).toBeLessThan(2e-5);
      }
      const [s, t] = [await onGpu.save(), await onCpu.save()];
      expect([...s.episodeLength]).toEqual([...t.episodeLength]);
      for (const name of ["parameters", "environmentState", "episodeReturn", "environmentReturn"] as const) {
        const worst = s[name].reduce((max, x, i) => Math.max(max, Math.abs(x - t[name][i]!)), 0);
        expect(worst, name).toBeLessThan(1e-5);
      }
      // Teacher-forced: both go on from the same state.
      onGpu.load(t);
    }
    onGpu.dispose();
    onCpu.dispose();
  });

  test("two runs at once both get on, to the bits that they reach alone", async () => {
    const seeds = [11, 12];
    const alone = [];
    for (const seed of seeds) {
      const engine = await createWebGpuEngine(request({}, { seed }), gpu!);
      await run(engine, 3);
      alone.push(bits(await engine.save()));
      engine.dispose();
    }
    const order: number[] = [];
    const both = await Promise.all(
      seeds.map(async (seed) => {
        const engine = await createWebGpuEngine(request({}, { seed }), gpu!);
        engine.onMetrics = () => order.push(seed);
        for (let update = 0; update < 3; update++) await engine.submit();
        const state = bits(await engine.save());
        await engine.flush();
        engine.dispose();
        return state;
      }),
    );
    expect(both).toEqual(alone);
    // By turns but for the first and the last, which may be alone.
    expect(order).toHaveLength(6);
    expect(new Set(order.slice(0, 3)).size).toBe(2);
    expect(new Set(order.slice(3)).size).toBe(2);
    expect(gpu!.turns.contended).toBe(false);
  });

  test("a lost device is an event, and the run goes on elsewhere", async () => {
    const other = (await openGpuDevice(navigator.gpu))!;
    const engine = await createWebGpuEngine(request(), other);
    await run(engine, 2);
    const state = await engine.save();
    other.device.destroy();
    expect(await engine.lost).toEqual(expect.any(String));
    await expect(engine.submit()).rejects.toMatchObject({ code: "gpu/lost" });
    const next = await createWebGpuEngine(request(), gpu!);
    next.load(state);
    expect((await run(next, 1))[0]!.update).toBe(3);
    next.dispose();
  });

  /** With a buffer as large as its limit SwiftShader has no room for what Vulkan adds to it. */
  test.skipIf(gpu?.device.limits.maxBufferSize !== 2 ** 30)(
    "what the adapter has no room for is given back, and another run trains",
    async () => {
      const { alive, bytes, bindGroups, pipelines } = gpu!.counters;
      const before = { alive, bytes, bindGroups, pipelines };
      const large = { envs: 64, steps: 128, minibatchSize: 8192, epochs: 2 ** 15 };
      await expect(createWebGpuEngine(request(large), gpu!)).rejects.toMatchObject({
        code: "gpu/memory",
        message: expect.stringMatching(
          /^This run needs 1,\d+ MB on the GPU, 1,074 MB of them for its indices, and SwiftShader.* has no room for that\.$/,
        ) as string,
        fix: "Use fewer epochs (now 32768), fewer environments (now 64) or fewer steps an update (now 128). Or stop other runs, and close other tabs that use the GPU.",
      });
      expect(gpu!.counters).toMatchObject(before);
      const engine = await createWebGpuEngine(request(), gpu!);
      expect(await run(engine, 2)).toHaveLength(2);
      engine.dispose();
      expect(gpu!.counters.bytes).toBe(bytes);
    },
  );

  test("what cannot work says so", async () => {
    await expect(
      createWebGpuEngine({ ...request(), algorithm: { ...ppo(), hidden: [] } }, gpu!),
    ).rejects.toMatchObject({
      code: "gpu/no-hidden-layer",
    });
    const broken = { ...reward, wgsl: "fn step_reward() -> f32 { return oops; }" };
    await expect(createWebGpuEngine(request({}, { reward: broken }), gpu!)).rejects.toMatchObject({
      code: "gpu/shader",
      message: expect.stringContaining("oops") as string,
    });
    const engine = await createWebGpuEngine(request(), gpu!);
    engine.dispose();
    await expect(engine.submit()).rejects.toMatchObject({ code: "rl/disposed" });
  });
});

function odd(): PpoOptions {
  return {
    separateTowers: false,
    hidden: [21],
    envs: 7,
    steps: 33,
    minibatchSize: 77,
    valueClip: 0.2,
    entropyCoefficient: 0.01,
    weightDecay: 0.01,
    normalizeAdvantages: false,
    truncationBootstrap: false,
  };
}
