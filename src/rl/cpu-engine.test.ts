import { describe, expect, test } from "vitest";
import { disagreement } from "../../test/support/check-engine.ts";
import { algorithmVariants } from "../../test/support/algorithm-variants.ts";
import { hosted } from "../../test/support/hosted.ts";
import { importMutated } from "../../test/support/mutation.ts";
import { referenceRun, sameBits, type ReferenceRun } from "../../test/support/reference-update.ts";
import { cartPole } from "../env/cartpole.ts";
import { createCpuEngine } from "./cpu-engine.ts";
import type * as engineModule from "./cpu-engine.ts";
import type { EngineRequest, TrainingEngine, UpdateMetrics } from "./engine.ts";
import { ppo } from "./ppo.ts";

const [, bootstrapping] = algorithmVariants[0]!;
const request = (changes: Partial<EngineRequest> = {}): EngineRequest => ({ ...bootstrapping, ...changes });

const byHost = (request: EngineRequest): EngineRequest => ({
  ...request,
  environment: hosted(request.environment),
});

async function trained(
  request: EngineRequest,
  updates: number,
  create = createCpuEngine,
): Promise<[TrainingEngine, UpdateMetrics[]]> {
  const engine = await create(request);
  const metrics: UpdateMetrics[] = [];
  engine.onMetrics = (m) => metrics.push(m);
  for (let i = 0; i < updates; i++) await engine.submit();
  return [engine, metrics];
}

const updates = 3;

async function check(
  request: EngineRequest,
  expected: ReferenceRun,
  create = createCpuEngine,
): Promise<void> {
  expect(await disagreement(request, expected, updates, create)).toBeNull();
}

describe("whole updates are those of the f64 reference", () => {
  const expected = referenceRun(bootstrapping, updates);

  test("truncation bootstraps", async () => {
    expect(expected.truncations).toBeGreaterThan(0);
    expect(expected.episodes).toBeGreaterThan(expected.truncations);
    await check(bootstrapping, expected);
  });

  test.each([
    ["one step after the other", bootstrapping],
    ["in whole episodes", algorithmVariants.find(([name]) => name === "GRPO over whole episodes")![1]],
  ] as const)("stepped by a host, %s", async (_, other) => {
    await check(byHost(other), referenceRun(other, updates));
  });

  test.each(algorithmVariants.slice(1))("%s", async (_, other) => {
    const reference = referenceRun(other, updates);
    if (other.algorithm.klStop) {
      const { epochs, envs, steps, minibatchSize } = other.algorithm;
      const planned = (epochs * envs * steps) / minibatchSize;
      expect(reference.metrics.optimizerSteps).toBeLessThan(planned);
    }
    await check(other, reference);
  });

  test.each([
    ["the GAE mask", "./gae.ts", "over ? delta :", "!over ? delta :"],
    ["the first moment's bias correction", "./cpu-update.ts", "1 - power(BETA_1", "1 + power(BETA_1"],
    ["the second moment's bias correction", "./cpu-update.ts", "1 - power(BETA_2", "1 + power(BETA_2"],
    ["the bootstrap's sign", "./gae.ts", "over ? finalValues", "over ? -finalValues"],
    ["episodes start one step early", "./cpu-rollout.ts", "globalStep + 1)", "globalStep)"],
  ])("a seeded fault is caught: %s", async (_, file, find, replace) => {
    const mutation = { file, find, replace };
    const faulty = await importMutated<typeof engineModule>(import.meta.url, "./cpu-engine.ts", mutation);
    await expect(check(bootstrapping, expected, faulty.createCpuEngine)).rejects.toThrow(/to be null/);
  });
});

test.each([
  ["compiled", (changes?: Partial<EngineRequest>) => request(changes)],
  ["stepped by a host", (changes?: Partial<EngineRequest>) => byHost(request(changes))],
])("the same seed gives the same bits, a resumed run goes on with them: %s", async (_, request) => {
  const [whole] = await trained(request(), 5);
  const [again] = await trained(request(), 5);
  const [half] = await trained(request(), 2);
  const saved = structuredClone(await half.save());
  const resumed = await createCpuEngine(request());
  resumed.load(saved);
  expect(resumed.update).toBe(2);
  for (let i = 0; i < 3; i++) await resumed.submit();
  const end = await whole.save();
  expect(sameBits(await again.save(), end)).toBe(true);
  expect(sameBits(await resumed.save(), end)).toBe(true);
  const [other] = await trained(request({ seed: 4 }), 5);
  expect(sameBits(await other.save(), end)).toBe(false);
});

test("a state of another size is refused and changes nothing", async () => {
  const [engine] = await trained(request(), 1);
  const before = await engine.save();
  expect(() => {
    engine.load({ ...before, firstMoment: new Float32Array(3) });
  }).toThrow(/firstMoment has 3 numbers/);
  expect(sameBits(await engine.save(), before)).toBe(true);
});

test("submit lets the event loop in, updates stay in order, save sees all that was submitted", async () => {
  const engine = await createCpuEngine({
    environment: cartPole(),
    reward: null,
    algorithm: ppo({ totalSteps: 1024 }),
    seed: 1,
  });
  const order: string[] = [];
  engine.onMetrics = (m) => order.push(`update ${m.update}`);
  const timer = setTimeout(() => order.push("timer"), 0);
  const submitted = [engine.submit(), engine.submit()];
  expect(engine.update).toBe(2);
  const state = await engine.save();
  expect(state.update).toBe(2);
  await Promise.all(submitted);
  clearTimeout(timer);
  expect(order.filter((entry) => entry !== "timer")).toEqual(["update 1", "update 2"]);
  expect(order.indexOf("timer")).toBe(0);
});
