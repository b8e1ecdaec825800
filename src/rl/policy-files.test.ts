import { describe, expect, test } from "vitest";
import { defineEnv } from "../env/define-env.ts";
import { environmentByName } from "../env/registry.ts";
import { algorithmVariants } from "../../test/support/algorithm-variants.ts";
import { sameBits } from "../../test/support/reference-update.ts";
import { decodeCheckpoint, encodeCheckpoint, readCheckpointHeader } from "./checkpoint-file.ts";
import { createCpuEngine } from "./cpu-engine.ts";
import type { EngineRequest } from "./engine.ts";
import { recordEpisode } from "./evaluate.ts";
import { ppo } from "./ppo.ts";
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

/** A state, or an observation. */
type Given = ArrayLike<number> | Readonly<Record<string, unknown>>;
interface PolicyModule {
  readonly about: { readonly environment: string };
  act(given: Given, options?: { random?: () => number; mask?: number[] }): number | number[];
  distribution(given: Given, options?: { mask?: number[] }): number[][];
  mask(state: Given): number[] | null;
  observe(state: Given): number[];
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
  test.each([
    "truncation bootstraps",
    "normalised observations and rewards",
    "a normal distribution",
    "three normal distributions on one trunk",
  ])("acts as it was trained: %s", async (name) => {
    const request = requestOf(name);
    const [policy, state] = await load(request, 3);
    expect(policy.about.environment).toBe(request.environment.name);
    const { states, actions } = recordEpisode({ ...request, state });
    expect(actions.length).toBeGreaterThan(3);
    const acted = Array.from({ length: states.length / 4 }, (_, t) =>
      policy.act(states.subarray(4 * t, 4 * t + 4)),
    ).flat();
    expect(acted.length).toBe(actions.length);
    acted.forEach((action, t) => expect(action).toBeCloseTo(actions[t]!, 5));
  });

  test("samples from its distribution, and never what is forbidden", async () => {
    const [policy] = await load(requestOf("two factors with a mask"), 1);
    const observation = [0.01, 0, 0.02, 0];
    const every = { mask: [1, 1, 1, 1, 1] };
    const [push, speed] = policy.distribution(observation, every) as [number[], number[]];
    expect(push.length).toBe(2);
    expect(push.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    // Every number of a fine grid once: the counts are the probabilities.
    const counts = new Map<number, number>();
    const n = 40;
    for (let i = 0; i < n * n; i++) {
      const grid = [(i % n) / n, Math.floor(i / n) / n];
      const action = Number(policy.act(observation, { ...every, random: () => grid.shift()! }));
      counts.set(action, (counts.get(action) ?? 0) + 1 / (n * n));
    }
    expect(counts.get(0)!).toBeCloseTo(push[0]! * speed[0]!, 1);
    for (let i = 0; i < n; i++) {
      const action = policy.act(observation, { random: () => i / n, mask: [0, 1, 1, 0, 1] });
      expect([1 + 2 * 0, 1 + 2 * 2]).toContain(action);
    }
    expect(() => policy.act([1], every)).toThrow(RangeError);
    expect(() => policy.act(observation)).toThrow(
      /forbidden in some states.*call act\(observation, \{ mask \}\)/,
    );
  });

  test("of an environment that forbids actions takes none of them, by the state alone", async () => {
    const environment = environmentByName("Snake-6x6");
    const algorithm = ppo({ envs: 4, steps: 8, minibatchSize: 32, totalSteps: 64, hidden: [8] });
    const [policy] = await load({ environment, algorithm, reward: null, seed: 3 }, 1);
    const { stateFields } = environment;
    const numbers = new Float32Array(stateFields.length);
    const words = new Uint32Array(4);
    const out = new Float32Array(2);
    const view = (): Readonly<Record<string, unknown>> => ({
      ...Object.fromEntries(stateFields.slice(0, 7).map((name, i) => [name, numbers[i]!])),
      board: [...numbers.subarray(7, 43)],
    });
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    let forbidden = 0;
    let wanted = 0;
    for (let step = 0; step < 1200; step++) {
      if (step % 20 === 0 || out[1] === 1) environment.reset(numbers, 0, words.fill(step));
      const state = view();
      const bits = environment.mask!(numbers, 0);
      expect(policy.mask(state)).toEqual([0, 1, 2, 3].map((a) => (bits >>> a) & 1));
      const observation = new Float32Array(environment.observationSize);
      environment.observe(numbers, 0, observation, 0);
      expect(Float32Array.from(policy.observe(state))).toEqual(observation);
      const action = Number(policy.act(state, step % 2 === 0 ? { random } : {}));
      if (((bits >>> action) & 1) === 0) forbidden++;
      if (((bits >>> Number(policy.act(state, { mask: [1, 1, 1, 1], random }))) & 1) === 0) wanted++;
      environment.step(numbers, 0, action, out);
    }
    expect(forbidden).toBe(0);
    // It would have, without the mask.
    expect(wanted).toBeGreaterThan(100);
    expect(() => policy.act(new Float32Array(108))).toThrow(/call act\(state\), or/);
    expect(() => policy.act({ ...view(), board: [] })).toThrow(/list of 36 numbers as "board"/);
  });

  test("whose observation is the state reads the mask from it, with what its functions captured", async () => {
    const environment = defineEnv(
      {
        state: ["x", "marks[2]"],
        actions: 3,
        reset: () => ({ x: 0 }),
        step: (s, a) => ({ x: s.x + a - 1 }),
        reward: () => 1,
        allowed: "(s, a) => near(s.x + a) || s.marks[0] > 0 && a === 1",
      },
      { constants: { limit: 1 }, functions: { near: "(x) => x <= limit" } },
    );
    const algorithm = ppo({ envs: 4, steps: 8, minibatchSize: 32, totalSteps: 64, hidden: [8] });
    const [policy] = await load({ environment, algorithm, reward: null, seed: 3 }, 1);
    expect(policy.mask({ x: 0, marks: [0, 0] })).toEqual([1, 1, 0]);
    const [probabilities] = policy.distribution([1, 1, 0]);
    expect(probabilities!.map((p) => p > 0)).toEqual([true, true, false]);
  });
});
