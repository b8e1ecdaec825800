import { describe, expect, test } from "vitest";
import { algorithmVariants } from "../../test/support/algorithm-variants.ts";
import { sameBits } from "../../test/support/reference-update.ts";
import { decodeCheckpoint, encodeCheckpoint, readCheckpointHeader } from "./checkpoint-file.ts";
import { createCpuEngine } from "./cpu-engine.ts";
import type { EngineRequest } from "./engine.ts";
import { recordEpisode } from "./evaluate.ts";
import { exportPolicy } from "./export-policy.ts";

const requestOf = (name: string): EngineRequest => algorithmVariants.find(([it]) => it === name)![1];

async function trained(request: EngineRequest, updates: number) {
  const engine = await createCpuEngine(request);
  for (let i = 0; i < updates; i++) await engine.submit();
  return engine;
}

describe("a checkpoint as a file", () => {
  test.each([
    "truncation bootstraps",
    "normalised observations and rewards",
    "a cost limit on one trunk, with normalised rewards",
    "a normal distribution",
  ])("goes on bit for bit: %s", async (name) => {
    const request = requestOf(name);
    const { environment, algorithm, seed } = request;
    const engine = await trained(request, 2);
    const file = encodeCheckpoint(environment, { algorithm, seed }, await engine.save());
    expect(readCheckpointHeader(file)).toEqual({ environment: environment.name, algorithm, seed });
    const resumed = await createCpuEngine(request);
    resumed.load(decodeCheckpoint(environment, file));
    await engine.submit();
    await resumed.submit();
    expect(sameBits(await resumed.save(), await engine.save())).toBe(true);
  });

  test("of another environment or network is refused", async () => {
    const request = requestOf("truncation bootstraps");
    const { environment, algorithm, seed } = request;
    const state = await (await trained(request, 1)).save();
    const file = encodeCheckpoint(environment, { algorithm, seed }, state);
    const refusal = expect.objectContaining({ code: "rl/checkpoint-file" }) as Error;
    expect(() => decodeCheckpoint({ ...environment, name: "Other" }, file)).toThrow(refusal);
    expect(() => decodeCheckpoint({ ...environment, observationSize: 5 }, file)).toThrow(
      /is \[9, 4\], not \[9, 5\]/,
    );
  });
});

interface PolicyModule {
  readonly about: { readonly environment: string };
  act(observation: ArrayLike<number>, options?: { random?: () => number; mask?: number[] }): number;
  distribution(observation: ArrayLike<number>): number[][];
}

const load = async (
  request: EngineRequest,
  updates: number,
): Promise<[PolicyModule, Awaited<ReturnType<Awaited<ReturnType<typeof trained>>["save"]>>]> => {
  const state = await (await trained(request, updates)).save();
  const text = exportPolicy({ ...request, state });
  expect(text).not.toMatch(/\bimport\s*[({"]|\brequire\b|\bfetch\b/);
  const url = `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
  return [(await import(/* @vite-ignore */ url)) as PolicyModule, state];
};

describe("a policy as one module", () => {
  test.each(["truncation bootstraps", "normalised observations and rewards", "a normal distribution"])(
    "acts as it was trained: %s",
    async (name) => {
      const request = requestOf(name);
      const [policy, state] = await load(request, 3);
      expect(policy.about.environment).toBe(request.environment.name);
      const { states, actions } = recordEpisode({ ...request, state });
      expect(actions.length).toBeGreaterThan(3);
      const acted = Array.from(actions, (_, t) => policy.act(states.subarray(4 * t, 4 * t + 4)));
      acted.forEach((action, t) => expect(action).toBeCloseTo(actions[t]!, 5));
    },
  );

  test("samples from its distribution, and never what is forbidden", async () => {
    const [policy] = await load(requestOf("two factors with a mask"), 1);
    const observation = [0.01, 0, 0.02, 0];
    const [push, speed] = policy.distribution(observation) as [number[], number[]];
    expect(push.length).toBe(2);
    expect(push.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    // Every number of a fine grid once: the counts are the probabilities.
    const counts = new Map<number, number>();
    const n = 40;
    for (let i = 0; i < n * n; i++) {
      const grid = [(i % n) / n, Math.floor(i / n) / n];
      const action = policy.act(observation, { random: () => grid.shift()! });
      counts.set(action, (counts.get(action) ?? 0) + 1 / (n * n));
    }
    expect(counts.get(0)!).toBeCloseTo(push[0]! * speed[0]!, 1);
    for (let i = 0; i < n; i++) {
      const action = policy.act(observation, { random: () => i / n, mask: [0, 1, 1, 0, 1] });
      expect([1 + 2 * 0, 1 + 2 * 2]).toContain(action);
    }
    expect(() => policy.act([1])).toThrow(RangeError);
  });
});
