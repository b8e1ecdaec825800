import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Kernel } from "./kernel.ts";
import type { HostMessage, KernelCellState, KernelMessage } from "./protocol.ts";
import type { Output } from "./session-types.ts";

/** A kernel whose host answers fetches and packages from tables. */
class Host {
  readonly states = new Map<string, KernelCellState>();
  readonly outputs = new Map<string, Output[]>();
  readonly settled = new Set<number>();
  readonly fetched: string[] = [];
  addresses: Record<string, string> = {};
  packages: Record<string, string> = {};
  #command = 0;
  readonly kernel = new Kernel((message) => {
    this.#receive(structuredClone(message));
  });

  cells(sources: Readonly<Record<string, string>>): void {
    const cells = Object.entries(sources).map(([id, source]) => ({
      id,
      source,
      lazy: id.startsWith("lazy"),
    }));
    this.kernel.receive({ kind: "cells", cells });
  }

  async run(id?: string): Promise<void> {
    const command = ++this.#command;
    this.kernel.receive(id === undefined ? { kind: "run-eager", command } : { kind: "run", command, id });
    await this.until(() => this.settled.has(command));
  }

  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 600; i++) {
      if (condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`still waiting; states: ${JSON.stringify([...this.states])}`);
  }

  kind = (id: string): string => this.states.get(id)?.kind ?? "idle";
  text = (id: string): string =>
    (this.outputs.get(id) ?? [])
      .map((output) => (output.view === "text" ? output.text : JSON.stringify(output)))
      .join("\n");
  value = (id: string): string | undefined => {
    const output = this.outputs.get(id)?.at(-1);
    return output?.view === "value" && output.value.kind === "primitive" ? output.value.text : undefined;
  };

  #receive(message: KernelMessage): void {
    switch (message.kind) {
      case "state":
        this.states.set(message.id, message.state);
        break;
      case "outputs":
        if (message.replace) this.outputs.set(message.id, []);
        this.outputs.get(message.id)!.push(...message.outputs);
        break;
      case "settled":
        this.settled.add(message.command);
        break;
      case "fetch": {
        this.fetched.push(`${message.method} ${message.url}`);
        const text = this.addresses[message.url];
        const body = new TextEncoder().encode(text ?? "");
        const status = text === undefined ? 404 : 200;
        this.#answer({
          kind: "response",
          request: message.request,
          status,
          statusText: "",
          headers: [],
          body,
        });
        break;
      }
      case "package": {
        const source = this.packages[message.name];
        const { request } = message;
        const error = {
          code: "notebook/import",
          message: "no such package",
          fix: "",
          line: null,
          column: null,
        };
        this.#answer(
          source === undefined ? { kind: "refused", request, error } : { kind: "package", request, source },
        );
        break;
      }
      default:
    }
  }

  #answer(message: HostMessage): void {
    queueMicrotask(() => {
      this.kernel.receive(message);
    });
  }
}

let host: Host;
beforeEach(() => {
  host = new Host();
});
afterEach(() => {
  host.kernel.dispose();
});

describe("live values", () => {
  const count = "export const n = (async function* () { for (let i = 1; i <= 4; i++) yield i; })();";

  it("publishes each value of an async generator to the cells that use it", async () => {
    host.cells({
      n: count,
      seen: "globalThis.seenValues ??= [];\nglobalThis.seenValues.push(n * 10);\nn * 10",
    });
    (globalThis as { seenValues?: number[] }).seenValues = [];
    await host.run();
    await host.until(() => host.kind("n") === "done" && host.kind("seen") === "done");
    expect((globalThis as { seenValues?: number[] }).seenValues).toEqual([10, 20, 30, 40]);
    expect(host.value("n")).toBe("4");
  });

  it("waits for slow dependents, and leaves lazy ones stale with the name", async () => {
    host.cells({
      n: count,
      slow: "await new Promise((r) => setTimeout(r, 30));\nexport const double = n * 2;\n(globalThis.doubles ??= []).push(double);",
      lazy: "n",
    });
    (globalThis as { doubles?: number[] }).doubles = [];
    const first = host.run("lazy");
    await first;
    await host.run();
    await host.until(() => host.kind("n") === "done" && host.kind("slow") === "done");
    expect((globalThis as { doubles?: number[] }).doubles!.at(-1)).toBe(8);
    expect(host.states.get("lazy")).toEqual({ kind: "stale", because: ["n"] });
  });

  it("ends an endless generator when its cell is stopped, edited or deleted, and runs its finally", async () => {
    const endless = (what: string): string =>
      `export const t = (async function* () { try { for (let i = 0; ; i++) yield i; } finally { globalThis.ended = "${what}"; } })();`;
    const ended = (): unknown => (globalThis as { ended?: unknown }).ended;
    host.cells({ t: endless("stopped"), use: "t" });
    await host.run();
    expect(host.kind("t")).toBe("running");
    await host.until(() => Number(host.value("use")) >= 2);
    host.kernel.receive({ kind: "cancel", id: "t" });
    await host.until(() => ended() === "stopped" && host.kind("t") === "done");
    expect(Number(host.value("use"))).toBeGreaterThanOrEqual(2);
    host.cells({ t: endless("edited"), use: "t" });
    await host.until(() => host.kind("t") === "running");
    host.cells({ t: endless("deleted"), use: "t + 1" });
    await host.until(() => ended() === "edited" && host.kind("t") === "running");
    host.cells({ use: "t" });
    await host.until(() => ended() === "deleted" && host.kind("use") === "error");
  });

  it("fails the cell with the line when a generator throws later", async () => {
    host.cells({
      g: "export const g = (async function* () {\n  yield 1;\n  throw new Error('late');\n})();",
      u: "g",
    });
    await host.run();
    await host.until(() => host.kind("g") === "error");
    expect(host.states.get("g")).toMatchObject({ error: { message: "Error: late", line: 3 } });
  });
});

describe("invalidation", () => {
  it("settles when the values are replaced, and not before", async () => {
    const cell = (n: number): string =>
      `export const x = ${n};\n(globalThis.held ??= new Set()).add(x);\nvoid invalidation.then(() => globalThis.held.delete(x));`;
    const held = (): number[] => [...((globalThis as { held?: Set<number> }).held ?? [])];
    host.cells({ x: cell(1) });
    await host.run();
    expect(held()).toEqual([1]);
    host.cells({ x: cell(2) });
    await host.until(() => host.kind("x") === "done" && held().join() === "2");
    host.cells({});
    await host.until(() => held().length === 0);
  });
});

describe("test cells", () => {
  it("show each test, and fail with the line of the first that fails", async () => {
    host.cells({
      pass: `test("adds", () => expect(1 + 1).toBe(2));\ntest("later", async () => { await 0; expect([1, { a: 2 }]).toEqual([1, { a: 2 }]); });`,
      fail: `test("fine", () => expect(3).toBeGreaterThan(2));\ntest("wrong", () => {\n  expect({ a: 1 }).toEqual({ a: 2 });\n});\ntest("not", () => expect(1).not.toBe(1));`,
    });
    await host.run();
    expect(host.kind("pass")).toBe("done");
    expect(host.outputs.get("pass")).toEqual([
      { view: "test", name: "adds", passed: true, message: null },
      { view: "test", name: "later", passed: true, message: null },
    ]);
    expect(host.states.get("fail")).toMatchObject({
      kind: "error",
      error: { code: "notebook/test-failed", message: '2 of 3 tests failed: "wrong", "not".', line: 3 },
      lineText: "expect({ a: 1 }).toEqual({ a: 2 });",
    });
    expect(host.text("fail")).toContain("Expected { a: 1 } to equal { a: 2 }.");
  });
});

describe("imports", () => {
  it("imports packages that ship, once for all cells", async () => {
    host.packages = {
      fflate:
        "exports.even = (n) => n % 2 === 0; exports.loads = globalThis.loads = (globalThis.loads ?? 0) + 1;",
    };
    host.cells({
      a: 'import { even, loads } from "fflate";\nimport * as all from "fflate";\n[even(10), all.even(7), loads].join()',
      b: "even(7)",
    });
    await host.run();
    expect(host.text("a")).toBe("true,false,1");
    expect(host.value("b")).toBe("false");
  });

  it("imports modules that import each other", async () => {
    host.addresses = {
      "https://esm.example/even.js": `import { odd } from "./odd.js"; export default function even(n) { return n === 0 || odd(n - 1); }`,
      "https://esm.example/odd.js": `import even from "./even.js"; export const odd = (n) => n !== 0 && even(n - 1);`,
    };
    host.cells({
      a: 'import even from "https://esm.example/even.js";\nimport * as all from "https://esm.example/odd.js";\n[even(10), all.odd(10)].join()',
    });
    await host.run();
    expect(host.text("a")).toBe("true,false");
  });

  it("imports from an address through fetch, relative parts too, also by import()", async () => {
    host.addresses = {
      "https://esm.example/x@1/index.js": `export * from "./part.js"; export const here = import.meta.url;`,
      "https://esm.example/x@1/part.js": `export class Part { name = "part"; }`,
    };
    host.cells({
      x: 'import { Part, here } from "https://esm.example/x@1/index.js";\nexport const shown = new Part().name + " of " + here;\nshown',
      later: 'const { Part: Other } = await import("https://esm.example/x@1/index.js");\nnew Other().name',
    });
    await host.run();
    expect(host.text("x")).toBe("part of https://esm.example/x@1/index.js");
    expect(host.text("later")).toBe("part");
    expect(host.fetched).toHaveLength(2);
  });

  it.each([
    ['import x from "https://esm.example/missing.js";', "notebook/import"],
    ['import x from "unknown-package";', "notebook/import"],
    ['import { nothing } from "fflate";', "notebook/import"],
    ['import "./local.ts";', "notebook/import"],
    ['import x from "javascript:alert(1)";', "notebook/import"],
    ['import x from "http://plain.example/x.js";', "notebook/import"],
  ])("refuses %s", async (source, code) => {
    host.packages = { fflate: "exports.a = 1;" };
    host.cells({ x: source });
    await host.run();
    expect(host.states.get("x")).toMatchObject({ kind: "error", error: { code } });
  });

  it("lets an agent take an imported package along to its worker", async () => {
    host.packages = { fflate: "exports.strToU8 = (text) => new TextEncoder().encode(text);" };
    host.cells({
      agent:
        'import { strToU8 } from "fflate";\nexport const reward = defineReward((task: string, answer: string) => (strToU8(answer).length === strToU8(task).length ? 1 : 0));',
    });
    await host.run();
    const [shown] = host.outputs.get("agent")!;
    if (shown?.view !== "composite-reward")
      throw new Error(host.text("agent") + JSON.stringify(host.states.get("agent")));
    const { evaluateInNode } = await import("../runner/evaluate-in-node.ts");
    const score = evaluateInNode(shown.rescore!.source, {}) as (task: string, answer: string) => number;
    expect([score("ä", "ab"), score("ä", "a")]).toEqual([1, 0]);
  });
});
