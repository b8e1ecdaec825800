import { mkdirSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { cartPole } from "../src/env/cartpole.ts";
import { ppo } from "../src/rl/ppo.ts";
import { createWebGpuEngine } from "../src/rl/webgpu-engine.ts";
import { gpu } from "./gpu/support.ts";

const UPDATES = 2000;
const BLOCK = 100;

// Small updates, so that what does not belong to them (objects, wrappers, promises) would show.
test.skipIf(gpu === null)(
  `${UPDATES} updates on the GPU: no slower at the end, not a byte more`,
  { timeout: 3_600_000 },
  async () => {
    const algorithm = ppo({ epochs: 2, totalSteps: 1e7, separateTowers: false });
    const request = { environment: cartPole(), reward: null, algorithm, seed: 1 };
    const engine = await createWebGpuEngine(request, gpu!);
    let delivered = 0;
    engine.onMetrics = () => delivered++;
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const run = async (updates: number): Promise<number> => {
      // Processor time of the whole process: the software adapter's threads are in it, other programs are not.
      const before = process.cpuUsage();
      for (let i = 0; i < updates; i++) await engine.submit();
      await engine.flush();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000 / updates;
    };
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    await run(2 * BLOCK);
    const counters = { ...gpu!.counters };
    const heapBefore = heap();
    const milliseconds: number[] = [];
    for (let done = 0; done < UPDATES; done += BLOCK) milliseconds.push(await run(BLOCK));
    const grown = heap() - heapBefore;
    const { buffers, bindGroups, pipelines, bytes } = gpu!.counters;
    expect({ buffers, bindGroups, pipelines, bytes }).toEqual({
      ...{ buffers: counters.buffers, bindGroups: counters.bindGroups },
      ...{ pipelines: counters.pipelines, bytes: counters.bytes },
    });
    expect(gpu!.counters.submits - counters.submits).toBe(UPDATES);
    const median = (values: readonly number[]): number =>
      [...values].sort((a, b) => a - b)[values.length >> 1]!;
    const quarter = milliseconds.length / 4;
    const drift = median(milliseconds.slice(-quarter)) / median(milliseconds.slice(0, quarter)) - 1;
    const result = {
      ...{ adapter: gpu!.adapter, updates: UPDATES, drift: Number(drift.toFixed(4)) },
      ...{ heapGrowthBytes: grown, gpuBytes: bytes },
      processorMillisecondsAnUpdate: milliseconds.map((value) => Number(value.toFixed(2))),
    };
    mkdirSync("bench/results", { recursive: true });
    writeFileSync("bench/results/soak.json", `${JSON.stringify(result, null, 2)}\n`);
    expect(delivered).toBe(UPDATES + 2 * BLOCK);
    expect(grown).toBeLessThan(5 * 2 ** 20);
    expect(drift).toBeLessThan(0.05);
    engine.dispose();
  },
);
