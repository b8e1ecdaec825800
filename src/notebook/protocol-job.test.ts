import { describe, expect, test } from "vitest";
import { filteredCloning, grpo } from "../rl/grpo.ts";
import type { AgenticJob } from "../train/job.ts";
import { readKernelMessage } from "./protocol.ts";

const good: AgenticJob = {
  kind: "agentic",
  agent: {
    code: "",
    entry: "() => 1",
    values: { map: new Map([[1, new Date(5)]]), bytes: Uint8Array.of(1, 2) },
  },
  reward: { code: "", entry: "() => 1", values: {} },
  tasks: { train: ["a", { b: [1, null, undefined, 2n, /x/g] }], heldOut: [new Set([1])] },
  policy: { alphabet: "ab", width: 64, layers: 2, heads: 4, feedForward: 128, maxLength: 64 },
  algorithm: grpo({
    advantage: "standardized",
    kl: { coefficient: 0.1, estimator: "k3" },
    adaptiveKl: { target: 0.06, horizon: 10_000 },
  }),
  warmStart: { demonstrations: [{ prompt: "a", answer: "b" }], steps: 1, batchSize: 1, learningRate: 1e-3 },
  timeout: 100,
  deterministic: true,
  seed: 1,
  name: "a",
  engine: "cpu",
};

const read = (job: unknown): AgenticJob | null => {
  const message = readKernelMessage(
    structuredClone({ kind: "train", request: 1, id: "a", job, needed: false }),
  );
  return message?.kind === "train" ? (message.job as AgenticJob) : null;
};

describe("a job for an agent, on the way out of the sandbox", () => {
  test("is copied whole, unknown fields dropped", () => {
    const { algorithm, ...rest } = read({ ...good, evil: 1, agent: { ...good.agent, library: "x" } })!;
    const { algorithm: sent, ...expected } = good;
    expect(rest).toEqual({ ...expected, agent: { ...good.agent, library: "x" } });
    expect(algorithm).toEqual({
      ...sent,
      advantage: { name: "standardized", epsilon: 1e-4, population: false },
    });
    for (const cloning of [
      filteredCloning({ epochs: 2, minibatches: 3 }),
      filteredCloning({ sampledFrom: "start" }),
    ])
      expect(read({ ...good, algorithm: cloning })!.algorithm).toEqual(cloning);
    const policy = { ...good.policy, alphabet: "", pairs: { merges: [[97, 98]] } };
    expect(read({ ...good, policy: { ...policy, evil: 1 } })!.policy).toEqual(policy);
    const low = { rank: 8, alpha: 16, projections: ["q", "down"], start: Uint8Array.of(1) };
    const small = { ...policy, adapters: low, softPrompt: { tokens: 4 }, checkpointing: true };
    expect(read({ ...good, policy: small })!.policy).toEqual(small);
    expect(read({ ...good, policy: { ...small, adapters: { ...low, projections: ["x"] } } })).toBeNull();
    expect(read({ ...good, policy: { ...policy, pairs: { merges: [[97]] } } })).toBeNull();
    const shared = { n: 1 };
    const circular: Record<string, unknown> = { shared, again: shared };
    circular["self"] = circular;
    const task = read({ ...good, tasks: { train: [circular], heldOut: [] } })!.tasks
      .train[0] as typeof circular;
    expect([task["self"] === task, task["shared"] === task["again"]]).toEqual([true, true]);
  });

  const deep = (levels: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = [value];
    return value;
  };
  const sparse: unknown[] = [];
  sparse.length = 2 ** 32 - 1;
  const proto = Object.defineProperty({}, "__proto__", { value: 1, enumerable: true });
  const agent = (values: unknown): object => ({ agent: { ...good.agent, values } });
  const tasks = (train: unknown): object => ({ tasks: { train, heldOut: [] } });
  test.each<[string, object]>([
    ["code that is no text", { agent: { ...good.agent, code: 1 } }],
    ["code beyond the limit", { agent: { ...good.agent, entry: "x".repeat(1_000_001) } }],
    ["captured values that are a list", agent([1])],
    ["a captured name that is no identifier", agent({ "a) => {": 1 })],
    ["a captured prototype", agent(proto)],
    ["16 MB of captured text", agent({ big: "x".repeat(8_000_001) })],
    ["a captured buffer beyond the limit", agent({ big: new Uint8Array(16_000_001) })],
    ["tasks that are no list", tasks({ length: 1 })],
    ["a sparse list of four billion", tasks([sparse])],
    ["nesting without end", tasks([deep(300)])],
    ["a key that reaches a prototype", tasks([proto])],
    ["an error object", tasks([new Error("x")])],
    ["an integer of a million bits", tasks([1n << 1_000_000n])],
    ["an algorithm of another kind", { algorithm: { ...good.algorithm, kind: "ppo" } }],
    [
      "an advantage that we do not know",
      { algorithm: { ...good.algorithm, advantage: { name: "toString" } } },
    ],
    ["a loss with one beta", { algorithm: { ...good.algorithm, loss: { ...grpo().loss, betas: [0.9] } } }],
    [
      "a learning rate that is NaN",
      { algorithm: { ...good.algorithm, loss: { ...grpo().loss, learningRate: NaN } } },
    ],
    ["half a layer", { policy: { ...good.policy, layers: 1.5 } }],
    [
      "demonstrations that are numbers",
      { warmStart: { ...good.warmStart, demonstrations: [{ prompt: 1, answer: 2 }] } },
    ],
    ["a seed that is no integer", { seed: 2 ** 32 }],
    ["another engine", { engine: "cuda" }],
  ])("%s is dropped", (_what, change) => {
    const started = performance.now();
    expect(read(good)).not.toBeNull();
    expect(read({ ...good, ...change })).toBeNull();
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

test("outputs of agents, rewards and policies are checked as well", () => {
  const output = (one: object): boolean =>
    readKernelMessage(structuredClone({ kind: "outputs", id: "a", replace: true, outputs: [one] })) !== null;
  const reward = {
    view: "composite-reward",
    name: "r",
    components: [{ name: "exact", weight: 1 }],
    rescore: null,
  };
  expect(output(reward)).toBe(true);
  expect(output({ ...reward, rescore: { source: good.agent } })).toBe(true);
  expect(output({ ...reward, rescore: { source: { code: 1 } } })).toBe(false);
  expect(output({ ...reward, components: [{ name: "exact", weight: NaN }] })).toBe(false);
  expect(output({ view: "agent", name: "a", lines: -1 })).toBe(false);
  const policy = {
    view: "policy",
    name: null,
    parameters: 1,
    learns: 1,
    shape: good.policy,
    warmStart: null,
  };
  expect(output(policy)).toBe(true);
  expect(output({ ...policy, shape: { ...good.policy, alphabet: null } })).toBe(false);
});
