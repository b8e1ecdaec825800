import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Kernel } from "./kernel.ts";
import type { KernelCellState, KernelMessage } from "./protocol.ts";
import type { Output } from "./session-types.ts";

type Source = string | { readonly lazy: string };

/** A kernel with the messages it sent, boiled down. */
class Bench {
  readonly states = new Map<string, KernelCellState>();
  /** "a failed": what an eager cell waits for. */
  readonly heldUp = new Map<string, string>();
  readonly outputs = new Map<string, Output[]>();
  readonly log: string[] = [];
  readonly jobs: Extract<KernelMessage, { kind: "train" }>[] = [];
  readonly settled = new Set<number>();
  uses = new Map<string, readonly string[]>();
  readonly kernel = new Kernel((message) => {
    this.#receive(structuredClone(message));
  });
  #command = 0;

  cells(sources: Readonly<Record<string, Source>>): void {
    const cells = Object.entries(sources).map(([id, source]) => ({
      id,
      source: typeof source === "string" ? source : source.lazy,
      lazy: typeof source !== "string",
    }));
    this.kernel.receive({ kind: "cells", cells });
  }

  async run(id?: string): Promise<void> {
    const command = ++this.#command;
    this.kernel.receive(id === undefined ? { kind: "run-eager", command } : { kind: "run", command, id });
    await this.until(() => this.settled.has(command));
  }

  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 400; i++) {
      if (condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`still waiting; states: ${JSON.stringify([...this.states])}`);
  }

  kind(id: string): string {
    return this.states.get(id)?.kind ?? "idle";
  }

  error(id: string): Extract<KernelCellState, { kind: "error" }> {
    const state = this.states.get(id);
    if (state?.kind !== "error") throw new Error(`${id} is ${this.kind(id)}`);
    return state;
  }

  /** Texts and value texts of a cell's outputs. */
  shown(id: string): string[] {
    return (this.outputs.get(id) ?? []).map((output) => {
      if (output.view === "text") return output.text;
      if (output.view === "value" && output.value.kind === "primitive") return output.value.text;
      return output.view;
    });
  }

  answer(index: number): void {
    const { request } = this.jobs[index]!;
    const result = {
      runId: `run-${index}`,
      status: "succeeded",
      engine: "cpu",
      adapter: "test",
      update: 1,
      step: 256,
      activeTime: 1,
      metrics: { environmentReturn: 500 },
    } as const;
    this.kernel.receive({ kind: "trained", request, result });
  }

  #receive(message: KernelMessage): void {
    switch (message.kind) {
      case "state":
        this.states.set(message.id, message.state);
        this.heldUp.delete(message.id);
        this.log.push(`${message.id} ${message.state.kind}`);
        break;
      case "held-up":
        this.heldUp.set(message.id, `${message.by.by} ${message.by.because}`);
        break;
      case "outputs":
        if (message.replace) this.outputs.set(message.id, []);
        this.outputs.get(message.id)!.push(...message.outputs);
        break;
      case "graph":
        this.uses = new Map(message.cells.map(({ id, uses }) => [id, uses]));
        break;
      case "train":
        this.jobs.push(message);
        break;
      case "package": {
        const error = { code: "notebook/import", message: "none", fix: "", line: null, column: null };
        this.kernel.receive({ kind: "refused", request: message.request, error });
        break;
      }
      case "abort":
        this.log.push(`abort ${message.request}`);
        break;
      case "settled":
        this.settled.add(message.command);
        break;
      default:
    }
  }
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => {
  bench.kernel.dispose();
});

describe("reactivity", () => {
  it("runs nothing before it is told to", async () => {
    bench.cells({ a: "const a = 1" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(bench.log).toEqual([]);
  });

  it("runs cells in the order of their names, not of the page", async () => {
    bench.cells({
      sum: "const sum = x + y;\nsum",
      y: "const y = await Promise.resolve(x * 2)",
      x: "const x: number = 4",
    });
    await bench.run();
    expect(bench.shown("sum")).toEqual(["12"]);
    expect(bench.uses.get("sum")).toEqual(["x", "y"]);
    expect(bench.log.filter((line) => line.endsWith("running"))).toEqual([
      "x running",
      "y running",
      "sum running",
    ]);
  });

  it("reruns an edited cell and what depends on it, and nothing else", async () => {
    bench.cells({ a: "const a = 1", b: "const b = a + 1", c: "const c = 5", d: "b" });
    await bench.run();
    bench.log.length = 0;
    bench.cells({ a: "const a = 10", b: "const b = a + 1", c: "const c = 5", d: "b" });
    await bench.until(() => bench.kind("d") === "done" && bench.shown("d")[0] === "11");
    expect(bench.log.filter((line) => line.startsWith("c"))).toEqual([]);
    expect(bench.log.filter((line) => line.endsWith("running"))).toEqual([
      "a running",
      "b running",
      "d running",
    ]);
  });

  it("leaves a lazy cell stale and says because of which name", async () => {
    const train = { lazy: "const result = gain * 2" };
    bench.cells({ base: "const base = 1", gain: "const gain = base + 1", train });
    await bench.run();
    expect(bench.kind("train")).toBe("idle");
    await bench.run("train");
    expect(bench.kind("train")).toBe("done");
    bench.cells({ base: "const base = 2", gain: "const gain = base + 1", train });
    await bench.until(() => bench.kind("gain") === "done");
    expect(bench.states.get("train")).toEqual({ kind: "stale", because: ["gain"] });
    bench.cells({
      base: "const base = 2",
      gain: "const gain = base + 1",
      train: { lazy: "const result = gain" },
    });
    expect(bench.states.get("train")).toEqual({ kind: "stale", because: ["gain", "code"] });
    await bench.run("train");
    expect(bench.shown("train")).toEqual(["3"]);
  });

  it("runs what a forced cell needs first, and nothing that it does not need", async () => {
    bench.cells({
      a: { lazy: "const a = 1" },
      b: { lazy: "const b = a + 1" },
      other: "const other = 1",
      c: { lazy: "b" },
    });
    await bench.run("c");
    expect(bench.shown("c")).toEqual(["2"]);
    expect(bench.kind("other")).toBe("idle");
  });

  it("runs eager cells below a lazy one as soon as that is done", async () => {
    bench.cells({ slow: { lazy: "const slow = 3" }, view: "slow * 2" });
    await bench.run();
    expect(bench.kind("view")).toBe("idle");
    await bench.run("slow");
    await bench.until(() => bench.kind("view") === "done");
    expect(bench.shown("view")).toEqual(["6"]);
  });

  it("deletes a cell's names with the cell", async () => {
    bench.cells({ a: "const removed = 1", b: "removed" });
    await bench.run();
    bench.cells({ b: "removed" });
    await bench.until(() => bench.kind("b") === "error");
    expect(bench.error("b").error.message).toBe("ReferenceError: removed is not defined");
  });

  it("abandons an eager run whose input changed, and shows only the new one", async () => {
    const slow = "const out = await new Promise((r) => setTimeout(() => r(n), n));\nconsole.log(out)";
    bench.cells({ n: "const n = 60", slow });
    const first = bench.run();
    await bench.until(() => bench.kind("slow") === "running");
    bench.cells({ n: "const n = 1", slow });
    await first;
    await bench.until(() => bench.kind("slow") === "done");
    await new Promise((resolve) => setTimeout(resolve, 90));
    expect(bench.shown("slow")).toEqual(["1"]);
    expect(bench.log.filter((line) => line.startsWith("slow"))).toEqual([
      "slow queued",
      "slow running",
      "slow queued",
      "slow running",
      "slow done",
    ]);
  });
});

describe("problems", () => {
  it("reports a duplicate on every cell concerned, and recovers", async () => {
    bench.cells({ a: "const x = 1", b: "const x = 2", c: "x" });
    await bench.run();
    expect(bench.error("a").error).toMatchObject({ code: "notebook/duplicate" });
    expect(bench.error("b").error.message).toContain("`a`");
    expect(bench.kind("c")).toBe("idle");
    bench.cells({ a: "const x = 1", b: "const y = 2", c: "x" });
    await bench.until(() => bench.kind("c") === "done");
    expect(bench.kind("a")).toBe("done");
  });

  it("reports a cycle on its cells only", async () => {
    bench.cells({ a: "const a = b", b: "const b = a", c: "const c = a", d: "const d = 1" });
    await bench.run();
    expect(bench.error("a").error.code).toBe("notebook/cycle");
    expect(bench.error("b").error.code).toBe("notebook/cycle");
    expect(bench.kind("c")).toBe("idle");
    expect(bench.kind("d")).toBe("done");
  });

  it("says of eager cells which one they wait for, and no longer once it runs again", async () => {
    const slow = { lazy: "const t = await new Promise((go) => (globalThis.go = go))" };
    bench.cells({ a: "const a = null.x", b: "const b = a", c: "b", slow, d: "t" });
    await bench.run();
    expect(Object.fromEntries(bench.heldUp)).toEqual({ b: "a failed", c: "a failed", d: "slow open" });
    const stopped = bench.run("slow");
    await bench.until(() => bench.kind("slow") === "running");
    bench.kernel.receive({ kind: "cancel", id: "slow" });
    (globalThis as unknown as { go: () => void }).go();
    await stopped;
    expect(bench.heldUp.get("d")).toBe("slow stopped");
    const again = bench.run("slow");
    await bench.until(() => bench.heldUp.get("d") === "slow open");
    (globalThis as unknown as { go: () => void }).go();
    bench.cells({ a: "const a = 1", b: "const b = a", c: "b", slow, d: "t" });
    await again;
    await bench.until(() => bench.kind("d") === "done" && bench.kind("c") === "done");
    expect(bench.heldUp.size).toBe(0);
  });

  it("who needs a name of a cell that cannot be read waits for that cell", async () => {
    bench.cells({ a: "export const x = ;\nlet z = 1;", b: "export const y = x + 1;", c: "z" });
    await bench.run();
    expect(bench.error("a").error.code).toBe("notebook/syntax");
    expect([bench.heldUp.get("b"), bench.heldUp.get("c")]).toEqual(["a failed", "a failed"]);
    bench.cells({ a: "export const x = 1;", b: "export const y = x + 1;", c: "5" });
    await bench.run();
    expect(bench.shown("b")).toEqual(["2"]);
  });

  it("refuses assignments to another cell's name", async () => {
    bench.cells({ a: "let a = 1", b: "a = 2" });
    await bench.run();
    expect(bench.error("b").error.code).toBe("notebook/assign");
  });

  it.each([
    [
      "thrown in TypeScript",
      "interface A {\n  b: number;\n}\nconst a: A = { b: 1 };\nif (a.b) throw new Error('no');",
      5,
      "if (a.b) throw new Error('no');",
    ],
    ["on the first line", "null.x", 1, "null.x"],
    ["of TypeScript's syntax", "const a = 1;\nconst b: = 2;", 2, "const b: = 2;"],
    ["of JavaScript's syntax", "const a = 1;\nconst a = 2;", 2, "const a = 2;"],
    [
      "in a function called later",
      "const f = () => {\n  return missing;\n};\nawait 0;\n\nf()",
      2,
      "return missing;",
    ],
    [
      "in a reward",
      "const r = 1;\nexport const reward = defineReward.step((s, a, next) =>\n  next.nothing);",
      3,
      "next.nothing);",
    ],
    ["import of a package", '\nimport x from "lodash";', 2, 'import x from "lodash";'],
  ])("maps an error %s to its line", async (_, source, line, lineText) => {
    bench.cells({ cell: source });
    await bench.run();
    expect(bench.error("cell")).toMatchObject({ error: { line }, lineText });
  });

  it("says which ancestor failed when a cell is forced", async () => {
    bench.cells({ a: "const a = nope", b: { lazy: "a" } });
    await bench.run("b");
    expect(bench.error("b").error).toMatchObject({ code: "notebook/ancestor" });
  });

  it("cancels by the signal", async () => {
    bench.cells({
      wait: {
        lazy: "await new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason)))",
      },
    });
    const run = bench.run("wait");
    await bench.until(() => bench.kind("wait") === "running");
    bench.kernel.receive({ kind: "cancel", id: "wait" });
    await run;
    expect(bench.kind("wait")).toBe("cancelled");
  });
});

describe("what a cell sees", () => {
  const pole = "export const pole = cartPole();";
  const reward =
    "const weight = 0.1;\nexport const reward = defineReward.step((s, a, next) => 1 - weight * Math.abs(next.x) - gain);";
  const train =
    "export const run = await train({ env: pole, reward, algorithm: ppo({ preset: 'sb3-zoo-cartpole' }), seed: 3 });";

  it("trains on an environment and a reward with captured numbers", async () => {
    bench.cells({ gain: "export const gain = 0.25", pole, reward, training: train });
    await bench.run();
    expect(bench.outputs.get("pole")).toEqual([{ view: "environment", name: "CartPole-v1" }]);
    const [shown] = bench.outputs.get("reward")!;
    expect(shown).toMatchObject({ view: "reward", name: "reward" });
    expect(shown?.view === "reward" && shown.wgsl).toContain("fn step_reward(");
    expect(shown?.view === "reward" && shown.checkedStates).toBeGreaterThan(100);
    // It trains, so it is lazy without being told.
    expect(bench.kind("training")).toBe("idle");
    const run = bench.run("training");
    await bench.until(() => bench.jobs.length === 1);
    expect(bench.jobs[0]).toMatchObject({
      id: "training",
      job: {
        kind: "simulated",
        environment: "CartPole-v1",
        reward: { constants: { weight: 0.1, gain: 0.25 }, line: 2 },
        algorithm: { kind: "ppo", envs: 8 },
        seed: 3,
      },
    });
    bench.answer(0);
    await run;
    expect(bench.kind("training")).toBe("done");
  });

  it("says on how many states a reward is not a number, and what a name that is no cell's does", async () => {
    bench.cells({
      root: "export const root = defineReward.step((s) => Math.sqrt(s.x));",
      call: "export const call = defineReward.step((s) => s.x +\n fetch(s.x));",
    });
    await bench.run();
    const [shown] = bench.outputs.get("root")!;
    if (shown?.view !== "reward") throw new Error("no reward");
    expect(shown.nonFinite).toBeGreaterThan(200);
    expect(shown.checkedStates + shown.nonFinite + shown.undecided).toBe(512);
    expect(bench.states.get("call")).toMatchObject({ kind: "error", error: { line: 2 } });
  });

  it("lets a training in flight go on when its reward is edited, and then calls it stale", async () => {
    bench.cells({ gain: "const gain = 0", pole, reward, training: train });
    const run = bench.run("training");
    await bench.until(() => bench.jobs.length === 1);
    bench.cells({ gain: "const gain = 1", pole, reward, training: train });
    await bench.until(() => bench.kind("reward") === "done" && bench.kind("gain") === "done");
    expect(bench.kind("training")).toBe("running");
    bench.answer(0);
    await run;
    expect(bench.states.get("training")).toEqual({ kind: "stale", because: ["reward"] });
    expect(bench.log.filter((line) => line.startsWith("abort"))).toEqual([]);
  });

  it("aborts the training of a cancelled cell", async () => {
    bench.cells({ gain: "const gain = 0", pole, reward, training: train });
    const run = bench.run("training");
    await bench.until(() => bench.jobs.length === 1);
    bench.kernel.receive({ kind: "cancel", id: "training" });
    await run;
    expect(bench.kind("training")).toBe("cancelled");
    expect(bench.log).toContain(`abort ${bench.jobs[0]!.request}`);
  });

  it("calls a cell stale that ran before the notebook was opened, once its reward is edited", async () => {
    bench.cells({ gain: "const gain = 0", pole, reward, training: train });
    bench.kernel.receive({ kind: "restore", ran: ["training"], cancelled: [] });
    await bench.run();
    expect(bench.kind("training")).toBe("idle");
    bench.cells({ gain: "const gain = 0", pole, reward: reward.replace("0.1", "0.2"), training: train });
    expect(bench.states.get("training")).toEqual({ kind: "stale", because: ["reward"] });
  });

  it("takes names by import too, under another name", async () => {
    bench.cells({
      a: 'import { cartPole as make, type Environment } from "fulgurite";\nconst b: Environment = make();\nb.name',
    });
    await bench.run();
    expect(bench.shown("a")).toEqual(["CartPole-v1", "environment"]);
  });

  it("shows console, the last value or the last name", async () => {
    bench.cells({
      logs: "console.log('a', { b: [1, 2] }); console.warn('c');",
      value: "const hidden = 1;\n(hidden, 2)",
      name: "export const list = [1, 2, 3];",
      quiet: "const f = () => 1;",
      once: "display(5);",
    });
    await bench.run();
    expect(bench.shown("once")).toEqual(["5"]);
    expect(bench.outputs.get("logs")).toEqual([
      { view: "text", stream: "out", text: "a { b: [1, 2] }" },
      { view: "text", stream: "warn", text: "c" },
    ]);
    expect(bench.shown("value")).toEqual(["2"]);
    expect(bench.outputs.get("name")).toMatchObject([
      { view: "value", name: "list", value: { type: "Array(3)" } },
    ]);
    expect(bench.shown("quiet")).toEqual([]);
  });

  it("cuts a flood short", async () => {
    bench.cells({ flood: "for (let i = 0; i < 200_000; i++) console.log('0123456789');" });
    await bench.run();
    const text = bench.shown("flood").join("");
    expect(text.length).toBeLessThan(1_100_000);
    expect(text).toContain("shows too much");
  });
});

it("hears messages while 1,000 chained cells run", async () => {
  const sources: Record<string, string> = { c0: "const v0 = 0" };
  for (let i = 1; i < 1000; i++) sources[`c${i}`] = `const v${i} = v${i - 1} + 1`;
  bench.cells(sources);
  // Longer than one slice, wherever this runs.
  sources["c500"] =
    "const until = performance.now() + 100; while (performance.now() < until); const v500 = 500";
  bench.cells(sources);
  const run = bench.run();
  let doneAtTimer = 0;
  setTimeout(() => {
    doneAtTimer = bench.log.filter((line) => line.endsWith(" done")).length;
  });
  await run;
  expect(doneAtTimer).toBeGreaterThan(0);
  expect(doneAtTimer).toBeLessThan(1000);
  expect(bench.shown("c999")).toEqual(["999"]);
});
