import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { evaluateInNode } from "../runner/evaluate-in-node.ts";
import { scoreItem } from "../runner/score-item.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import { withPackages } from "../runner/packages.ts";
import type { AgenticJob } from "../train/job.ts";
import { importInstalled } from "./in-process-kernel.ts";
import { Kernel } from "./kernel.ts";
import type { KernelCellState, KernelMessage } from "./protocol.ts";
import { bundlePackage } from "./packages.vite.ts";
import { readKernelMessage } from "./protocol.ts";
import type { Output } from "./session-types.ts";

const states = new Map<string, KernelCellState>();
const outputs = new Map<string, Output[]>();
let jobs: AgenticJob[] = [];
let settled: (() => void) | null = null;
let kernel: Kernel;

beforeEach(() => {
  for (const map of [states, outputs]) map.clear();
  jobs = [];
  kernel = new Kernel((sent) => {
    const message = readKernelMessage(structuredClone(sent)) as KernelMessage;
    if (message.kind === "state") states.set(message.id, message.state);
    if (message.kind === "outputs") {
      outputs.set(message.id, [...(message.replace ? [] : outputs.get(message.id)!), ...message.outputs]);
    }
    if (message.kind === "train") {
      jobs.push(message.job as AgenticJob);
      const result = { runId: "r", status: "succeeded", engine: "cpu", adapter: "t", update: 1 } as const;
      const rest = { step: 1, activeTime: 1, metrics: {} };
      kernel.receive({ kind: "trained", request: message.request, result: { ...result, ...rest } });
    }
    if (message.kind === "settled") settled?.();
  }, importInstalled);
});
afterEach(() => {
  kernel.dispose();
});

async function run(cells: Readonly<Record<string, string>>, id: string): Promise<void> {
  kernel.receive({
    kind: "cells",
    cells: Object.entries(cells).map(([cell, source]) => ({ id: cell, source, lazy: false })),
  });
  const done = new Promise<void>((resolve) => (settled = resolve));
  kernel.receive({ kind: "run", command: 1, id });
  await done;
}

const TRAIN =
  'const trained = await train({ agent, reward, tasks: { train: ["a"], heldOut: ["b"] }, policy: characterPolicy({ alphabet: "ab" }) })';

/** Trains with this agent cell and gives its source. */
async function agentSource(cells: Readonly<Record<string, string>>): Promise<CodeSource> {
  await run({ ...cells, reward: "const reward = defineReward(() => 1);", training: TRAIN }, "training");
  expect(Object.fromEntries([...states].filter(([, { kind }]) => kind === "error"))).toEqual({});
  return jobs.at(-1)!.agent;
}

type Agent = (task: unknown, context: unknown) => unknown;
const globals = { fetch: () => 1, defineAgent: (...all: unknown[]) => all.at(-1) };
const call = async (source: CodeSource, task: unknown): Promise<unknown> =>
  evaluateInNode<Agent>({ ...source, values: structuredClone(source.values) }, globals)(task, {});

const error = (id: string): { code: string; message: string; line: number | null } => {
  const state = states.get(id);
  if (state?.kind !== "error") throw new Error(`${id} is ${state?.kind ?? "not there"}`);
  return state.error;
};

describe("the source of an agent", () => {
  it("brings functions and classes of other cells, transitively and in order, and values as copies", async () => {
    const source = await agentSource({
      agent: `interface Task { readonly text: string }
export const agent = defineAgent("shout", async (task: Task) => new Loud(mark).say(task.text) + limit);`,
      words: `export class Loud extends Base { say(text: string): string { return upper(text) + this.mark; } }`,
      base: `export class Base { constructor(readonly mark: string) { this.mark = mark; } }
display("never in a worker");
const unrelated = 1;`,
      upper: `export function upper(text: string): string { return table.get(text) ?? text.toUpperCase(); }`,
      values: `const mark = "!"; let limit = 7; const table = new Map([["a", "Ä"]]);`,
    });
    expect(await call(source, { text: "a" })).toBe("Ä!7");
    expect(await call(source, { text: "b" })).toBe("B!7");
    expect(source.values).toEqual({ mark: "!", limit: 7, table: new Map([["a", "Ä"]]) });
    expect(source.code).not.toMatch(/display|unrelated|interface/);
    expect(source.code.indexOf("class Base")).toBeLessThan(source.code.indexOf("class Loud"));
  });

  it("follows functions that need each other, and what is written into them", async () => {
    const source = await agentSource({
      agent: `const agent = defineAgent("even", (n) => [isEven(n), isEven.calls, rules.length, rules[0](n)]);
function isEven(n) { isEven.calls++; return n === 0 || isOdd(n - 1); }
const isOdd = (n) => n !== 0 && isEven(n - 1);
isEven.calls = 10;
const rules = [];
rules.push((n) => n + 1);`,
    });
    expect(await call(source, 4)).toEqual([true, 13, 1, 5]);
    expect(await call(source, 4)).toEqual([true, 13, 1, 5]);
  });

  it("takes the copy when the cell ends, not what the value becomes", async () => {
    const source = await agentSource({
      list: "const list = [1];",
      agent: 'const agent = defineAgent("a", () => list.length);',
      later: "agent; list.push(2);",
    });
    expect(await call(source, null)).toBe(1);
  });

  it("is found for a name, a call, an alias and several agents in one cell", async () => {
    const cells = {
      make: "const make = (n) => async () => n * factor;\nconst factor = 2;",
      agent: `import { defineAgent as named } from "fulgurite";
const other = named("other", make(1));
export const agent = named("agent", make(21));`,
    };
    expect(await call(await agentSource(cells), null)).toBe(42);
    expect(
      await call(
        await agentSource({
          ...cells,
          agent: 'const agent = defineAgent("x", answer); function answer() { return 5; }',
        }),
        null,
      ),
    ).toBe(5);
    const inner = 'const wrap = () => defineAgent("x", () => 1);\nconst agent = wrap();';
    await run({ agent: inner }, "agent");
    expect(error("agent")).toMatchObject({ code: "notebook/definition-place" });
  });

  it("brings shipped packages by name, and their text where nothing can be loaded", async () => {
    const source = await agentSource({
      agent: `import initSqlJs from "sql.js";
import { strToU8 } from "fflate";
const agent = defineAgent("asks", async (question) => {
  const SQL = await initSqlJs();
  const db = new SQL.Database();
  return [db.exec(question)[0].values, strToU8("é").length];
});`,
    });
    expect(source.packages).toEqual(["sql.js", "fflate"]);
    const question = "with t(x) as (values (1), (2), (39)) select sum(x), count(*) from t";
    expect(await call(source, question)).toEqual([[[42, 3]], 2]);
    const carried = await withPackages(source, (name) => bundlePackage(name, true));
    expect(await call(carried, question)).toEqual([[[42, 3]], 2]);
    await expect(
      withPackages({ ...source, packages: ["node:fs"] }, (name) => bundlePackage(name, true)),
    ).rejects.toMatchObject({ code: "runner/no-package" });
  });

  it("refuses what cannot travel, naming the cell", async () => {
    const uses = (name: string): string => `\nconst agent = defineAgent("a", () => ${name});`;
    const refused: [Record<string, string>, RegExp][] = [
      [
        { data: "class Db {} const db = new Db();", agent: uses("db") },
        /`db` of the cell `data`, which is a Db/,
      ],
      [{ data: "const later = Promise.resolve(1);", agent: uses("later") }, /a promise/],
      [{ data: "const deep = { a: [new (class Point {})()] };", agent: uses("deep") }, /cell `data`/],
      [{ data: "const f = await (async () => () => 1)();", agent: uses("f") }, /awaited/],
      [{ agent: uses("train") }, /works in cells only/],
      [{ data: "const pole = cartPole();", agent: uses("pole") }, /`cartPole`, which works in cells only/],
    ];
    for (const [cells, message] of refused) {
      await run(cells, "agent");
      expect(states.get("agent"), String(message)).toMatchObject({ kind: "error" });
      expect(error("agent")).toMatchObject({ code: "notebook/uncloneable-capture", line: 2 });
      expect(error("agent").message).toMatch(message);
    }
  });
});

describe("a reward over rollouts", () => {
  it("travels, scores, and is shown with what re-scoring needs", async () => {
    const cells = {
      right: "const right = (task) => [...task].reverse().join('');",
      reward: `const reward = defineReward({
  exact: { weight: 2, score: (task, result) => result === right(task) },
  length: { weight: -0.5, score(task, result) { return result.length; } },
});`,
      agent: 'const agent = defineAgent("a", () => reward.exact.score("ab", "ba"));',
      training: TRAIN,
    };
    await run(cells, "training");
    const shown = outputs.get("reward")!;
    expect(shown).toMatchObject([
      {
        view: "composite-reward",
        name: "reward",
        components: [
          { name: "exact", weight: 2 },
          { name: "length", weight: -0.5 },
        ],
      },
    ]);
    expect(outputs.get("agent")).toEqual([{ view: "agent", name: "a", lines: 1 }]);
    const [first] = shown;
    if (first?.view !== "composite-reward") throw new Error("no reward");
    expect(first.rescore!.source).toEqual(jobs[0]!.reward);
    const reward = evaluateInNode(jobs[0]!.reward, { defineReward: (...all: unknown[]) => all.at(-1) });
    expect(await scoreItem(reward, { task: "ab", result: "ba", transcript: [] })).toEqual({
      components: { exact: 1, length: 2 },
      weights: { exact: 2, length: -0.5 },
    });
    // The agent uses the reward: both definers work wherever the code runs.
    expect(await call(jobs[0]!.agent, null)).toBe(true);
  });

  it("leaves step rewards as they were", async () => {
    await run(
      { reward: "const k = 2; const reward = defineReward.step((s, a, next) => k * next.x);" },
      "reward",
    );
    expect(outputs.get("reward")).toMatchObject([{ view: "reward", name: "reward" }]);
  });
});

it("shows a policy with the parameters that it will have", async () => {
  await run(
    { policy: 'const policy = characterPolicy({ alphabet: "abcdefghij", maxLength: 16 });' },
    "policy",
  );
  expect(outputs.get("policy")).toMatchObject([
    {
      view: "policy",
      name: "policy",
      parameters: 84_032,
      learns: 84_032,
      shape: { width: 64, feedForward: 128 },
      warmStart: null,
    },
  ]);
});

it("learns byte pairs in a cell, and makes a policy over them", async () => {
  const texts = 'const texts = ["low low lower lowest"];';
  const pairs = "const pairs = trainBytePairs(texts, 2);";
  const policies = "const one = bytePairPolicy({ pairs }); const two = bytePairPolicy({ texts, merges: 2 });";
  await run({ texts, pairs, policies }, "policies");
  const merges = [
    [108, 111],
    [256, 119],
  ];
  expect(outputs.get("policies")).toMatchObject([
    { view: "policy", name: "one", shape: { alphabet: "", pairs: { merges } } },
    { view: "policy", name: "two", shape: { alphabet: "", pairs: { merges } } },
  ]);
});

it("says why a training cannot be sent, and does not wait for ever", async () => {
  await run(
    {
      agent: 'const größe = 1; const agent = defineAgent("a", () => größe);',
      reward: "const reward = defineReward(() => 1);",
      training: TRAIN,
    },
    "training",
  );
  expect(error("training")).toMatchObject({ code: "notebook/job-refused" });
});
