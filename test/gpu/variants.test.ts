import { describe, expect, test } from "vitest";
import { cartPole } from "../../src/env/cartpole.ts";
import { GpuDevice } from "../../src/gpu/device.ts";
import { probeLinearVariant } from "../../src/kernels/linear-probe.ts";
import { policyWork, probePolicyVariant } from "../../src/rl/policy-probe.ts";
import { policyVariants } from "../../src/rl/policy-variant.ts";
import { ppo } from "../../src/rl/ppo.ts";
import { openStore } from "../../src/store/open.ts";
import { engines } from "../../src/train/create-engine.ts";
import { nodeHosts } from "../../src/train/node-hosts.ts";
import type { SimulatedJob } from "../../src/train/job.ts";
import { policyVariant } from "../../src/train/kernel-variants.ts";
import { simulatedJob } from "../../src/train/simulated-job.ts";
import { engineRequest } from "../../src/train/simulated-run.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { gpu } from "./support.ts";

/** Read before and after every submit of the contestants, which take these times in turn. */
function clock(...times: readonly number[]): () => number {
  let [time, reading] = [0, 0];
  return () => {
    const n = reading++;
    if (n % 2 === 1) time += times[(n >> 1) % times.length]!;
    return time;
  };
}

const algorithm = ppo({
  ...{ envs: 8, steps: 16, minibatchSize: 32, epochs: 1, totalSteps: 128 * 6 },
});
const jobOf = (hidden: readonly number[]): SimulatedJob =>
  simulatedJob({ env: cartPole(), algorithm: { ...algorithm, hidden }, seed: 7, engine: "webgpu" });

describe.skipIf(!gpu)("variants of the kernels", () => {
  test("a probe takes the faster one by a clear lead", async () => {
    const { alive } = gpu!.counters;
    expect(await probeLinearVariant(gpu!, clock(10, 5))).toBe("tiled");
    expect(await probeLinearVariant(gpu!, clock(10, 9.5))).toBe("registers");
    expect(await probeLinearVariant(gpu!, clock(5, 10))).toBe("registers");
    const variants = policyVariants(gpu!);
    const probe = (last: number): Promise<string> =>
      probePolicyVariant(gpu!, engineRequest(jobOf([16])), clock(...variants.slice(1).map(() => 10), last));
    expect(await probe(9.5)).toBe(variants[0]);
    expect(await probe(5)).toBe(variants.at(-1));
    expect(gpu!.counters.alive).toBe(alive);
  });

  test("the usual ones need no measurement, and quads no software", () => {
    const of = (description: string, subgroupMinSize?: number): readonly string[] => {
      const features = new Set(subgroupMinSize === undefined ? [] : ["subgroups"]);
      const device = { lost: new Promise(() => undefined), features, addEventListener: () => undefined };
      const info = { description, ...(subgroupMinSize === undefined ? {} : { subgroupMinSize }) };
      return policyVariants(new GpuDevice(device as unknown as GPUDevice, info));
    };
    expect(of("SwiftShader", 4)).toEqual(["quads", "registers", "wide"]);
    expect(of("SwiftShader")).toEqual(["wide", "registers"]);
    expect(of("a GPU", 32)).toEqual(["registers", "wide", "quads"]);
    expect(of("a GPU", 1)).toEqual(["registers", "wide"]);
  });

  test("a run whose kernels the adapter lacks takes what was measured there", async () => {
    const request = engineRequest(jobOf([24]));
    const [usual, other] = policyVariants(gpu!);
    const asked: string[] = [];
    const terms = { onMemory: () => undefined };
    const setting = (key: string): Promise<unknown> => Promise.resolve(asked.push(key) && other);
    expect(await policyVariant(gpu!, request, { ...terms, setting, variant: usual! })).toBe(usual);
    expect(asked).toEqual([]);
    expect(await policyVariant(gpu!, request, { ...terms, setting, variant: "of another adapter" })).toBe(
      other,
    );
    expect(asked).toEqual([`kernels of ${gpu!.adapter} for two of 4-24-3 on 32`]);
    expect(await policyVariant(gpu!, request, { ...terms, variant: null })).toBe(usual);
  });

  test("a run keeps what it began with, to the same bits; later ones take what was measured", async () => {
    const store = await openStore({ backend: "memory" });
    let time = 0;
    const trainer = new Trainer({
      ...{ store, ...engines, ...nodeHosts, locks: null },
      // Every look at the clock is time for a checkpoint.
      now: () => (time += 2000),
      randomBytes: (bytes) => bytes.fill(++time),
    });
    const job = jobOf([16, 16]);
    const owner = { notebook: null, cell: null };
    const [usual, other] = policyVariants(gpu!);
    const whole = await trainer.start(job, owner);
    await trainer.result(whole);
    const halted = await trainer.start(job, owner);
    await trainer.pause(halted);
    while ((await store.run(halted))!.status !== "paused") await new Promise((done) => setTimeout(done, 5));
    expect((await store.run(halted))!.update).toBeLessThan(6);

    await store.setSetting(`kernels of ${gpu!.adapter} for ${policyWork(engineRequest(job))}`, other);
    await trainer.resume(halted);
    await trainer.result(halted);
    expect(await store.run(halted)).toMatchObject({ variant: usual, reason: null, update: 6 });
    const state = async (id: string): Promise<unknown> => (await store.checkpoint(id))!.state;
    expect(await state(halted)).toEqual(await state(whole));
    const later = await trainer.start(job, owner);
    await trainer.result(later);
    expect(await store.run(later)).toMatchObject({ variant: other, reason: null });
  });
});
