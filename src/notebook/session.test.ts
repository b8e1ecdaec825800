import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FulguriteError } from "../gpu/error.ts";
import type { Job, TrainResult } from "../train/job.ts";
import { createInProcessKernel } from "./in-process-kernel.ts";
import type { KernelLink } from "./kernel-link.ts";
import { createNotebookSession, type SessionOptions } from "./session.ts";
import type { CellView, OpenNotebook } from "./session-types.ts";

const cartpole = readFileSync(new URL("../../notebooks/cartpole.nb.ts", import.meta.url), "utf8");

const result = (runId: string): TrainResult => ({
  runId,
  status: "succeeded",
  engine: "cpu",
  adapter: "test",
  update: 390,
  step: 99_840,
  activeTime: 1,
  metrics: {},
});

let session: OpenNotebook;
let jobs: Job[] = [];
let link: KernelLink;
afterEach(() => {
  session.dispose();
  jobs = [];
});

const train: SessionOptions["services"]["train"] = (job, cell, onStarted) => {
  jobs.push(job);
  onStarted(`${cell}-${jobs.length}`);
  return Promise.resolve(result(`${cell}-${jobs.length}`));
};

function open(text: string, options: Partial<SessionOptions> = {}): void {
  session = createNotebookSession({
    id: "test",
    text,
    editDelay: 0,
    services: { train },
    createKernel: async () => (link = await createInProcessKernel()),
    ...options,
  });
}

const cell = (id: string): CellView => session.cells.find((one) => one.id === id)!;
const code = (cells: Readonly<Record<string, string>>): string =>
  ["// fulgurite: 1", ...Object.entries(cells).flatMap(([id, source]) => [`// %% ${id}`, source])].join("\n");

describe("the shipped CartPole notebook", () => {
  it("runs: eager cells by themselves, the training when asked, stale when the reward is edited", async () => {
    open(cartpole);
    expect(session.title).toBe("Balance a pole");
    await session.runEager();
    expect(cell("pole").outputs).toEqual([{ view: "environment", name: "CartPole-v1" }]);
    expect(cell("reward").outputs).toMatchObject([{ view: "reward", name: "reward" }]);
    expect(cell("training")).toMatchObject({ lazy: true, state: { kind: "idle" }, defines: ["run"] });
    expect(jobs).toEqual([]);
    await session.run("training");
    expect(cell("training").state).toEqual({ kind: "done" });
    expect(cell("training").outputs).toEqual([{ view: "run", runId: "training-1" }]);
    expect(jobs).toMatchObject([{ environment: "CartPole-v1", seed: 1, algorithm: { totalSteps: 100_000 } }]);
    session.edit("reward", "export const reward = defineReward.step((s, a, next) => 1);");
    await vi.waitFor(() => {
      expect(cell("training").state).toEqual({ kind: "stale", because: ["reward"] });
    });
    await session.run("training");
    expect(jobs[1]).toMatchObject({ reward: { source: "(s, a, next) => 1" } });
  });
});

describe("a notebook with a run from before it was opened", () => {
  const stored = async (): Promise<Job> => {
    open(cartpole);
    await session.run("training");
    session.dispose();
    return structuredClone(jobs[0]!);
  };

  it("is stale where the reward is another than it was, and not otherwise", async () => {
    const job = await stored();
    open(cartpole);
    session.markRan("training", job);
    await session.runEager();
    expect(cell("training").state).toEqual({ kind: "idle" });
    session.dispose();
    open(cartpole.replace(/defineReward\.step\([^]*?\);/, "defineReward.step((s, a, next) => 1);"));
    session.markRan("training", job);
    await session.runEager();
    expect(cell("training").state).toEqual({ kind: "stale", because: ["reward"] });
    await session.run("training");
    expect(cell("training").state).toEqual({ kind: "done" });
  });
});

describe("a training that another cell needs", () => {
  const cells = { first: 'const warm = await train({ env: cartPole(), engine: "cpu" })', then: "warm.runId" };
  const asked: string[] = [];
  const trained = (known: boolean): Required<SessionOptions["services"]>["trained"] => {
    asked.length = 0;
    return (_job, id) => {
      asked.push(id);
      return Promise.resolve(known ? result("earlier") : null);
    };
  };

  it("is an earlier one of an equal job, until it is asked for itself", async () => {
    open(code(cells), { services: { train, trained: trained(true) } });
    await session.run("then");
    expect([asked, jobs]).toEqual([["first"], []]);
    expect(cell("first").outputs).toEqual([{ view: "run", runId: "earlier" }]);
    expect(cell("then").outputs).toMatchObject([{ text: "earlier" }]);
    await session.run("first");
    expect([asked, jobs]).toMatchObject([["first"], [{ environment: "CartPole-v1" }]]);
    await vi.waitFor(() => {
      expect(cell("then").outputs).toMatchObject([{ text: "first-1" }]);
    });
  });

  it("is trained where there is none", async () => {
    open(code(cells), { services: { train, trained: trained(false) } });
    await session.run("then");
    expect([asked, jobs.length]).toEqual([["first"], 1]);
    expect(cell("then").outputs).toMatchObject([{ text: "first-1" }]);
  });
});

describe("editing", () => {
  it("changes nothing but the cell, in the file's own line endings, and undoes", async () => {
    const text = code({ a: "const a = 1;", b: "const b = a;\nb" }).replaceAll("\n", "\r\n");
    open(text);
    session.edit("a", "const a = 1;\nconst c = 2;");
    expect(session.text).toBe(text.replace("const a = 1;", "const a = 1;\r\nconst c = 2;"));
    expect(cell("a").source).toBe("const a = 1;\nconst c = 2;");
    expect(cell("b").line).toBe(6);
    session.undo();
    expect(session.text).toBe(text);
    expect([session.canUndo, session.canRedo]).toEqual([false, true]);
    session.redo();
    expect(cell("a").source).toContain("c = 2");
    await session.run("b");
    expect(cell("b").state.kind).toBe("done");
  });

  it("runs the text as it is now, not as it was when the delay began", async () => {
    open(code({ a: "const a = 1;\na" }), { editDelay: 10_000 });
    session.edit("a", "const a = 2;\na");
    await session.run("a");
    expect(cell("a").outputs).toMatchObject([{ value: { text: "2" } }]);
  });

  it("keeps the views of unchanged cells", async () => {
    open(code({ a: "const a = 1;", b: "const b = 2;" }));
    await session.runEager();
    const before = session.cells;
    session.edit("b", "const b = 3;");
    await session.run("b");
    expect(cell("a").outputs).toEqual(before[0]!.outputs);
    expect(session.cells).toBe(session.cells);
  });
});

describe("trouble", () => {
  it("refuses a text that is no notebook", () => {
    expect(() => {
      open("const a = 1;");
    }).toThrow(FulguriteError);
    open("// fulgurite: 1");
  });

  it("shows why a kernel does not start, and tries again", async () => {
    let attempts = 0;
    open(code({ a: "1 + 1" }), {
      createKernel: () =>
        attempts++ === 0
          ? Promise.reject(new FulguriteError("notebook/not-isolated", "It is not.", "Use another browser."))
          : createInProcessKernel(),
    });
    await session.run("a");
    expect(cell("a").state).toMatchObject({ kind: "error", error: { code: "notebook/not-isolated" } });
    await session.run("a");
    expect(cell("a").state.kind).toBe("done");
  });

  it("replaces a kernel whose cell ignores its signal; the rest runs again, another cell's training goes on", async () => {
    const signals: AbortSignal[] = [];
    open(
      code({
        pole: "const pole = cartPole();",
        "deaf lazy": "await new Promise(() => {});",
        t: "await train({ env: pole })",
      }),
      {
        stopGrace: 30,
        services: {
          train: (_job, _cell, onStarted, signal) => {
            signals.push(signal);
            onStarted("run-1");
            return new Promise(() => undefined);
          },
        },
      },
    );
    await session.runEager();
    void session.run("t");
    const deaf = session.run("deaf");
    await vi.waitFor(() => {
      expect(cell("deaf").state.kind).toBe("running");
      expect(signals).toHaveLength(1);
    });
    await session.stop("deaf");
    await deaf;
    await vi.waitFor(() => {
      expect(cell("pole").state.kind).toBe("done");
    });
    expect(cell("deaf").state.kind).toBe("cancelled");
    expect(cell("t").outputs).toEqual([{ view: "run", runId: "run-1" }]);
    expect(signals[0]!.aborted).toBe(false);
  });

  it("ends a stopped cell's training, unless that is to go on: then not even a cell that ignores its signal ends it", async () => {
    let aborted = false;
    const kept = "try { await train({ env: cartPole() }); } catch {} await new Promise(() => {});";
    open(code({ t: "await train({ env: cartPole() })", kept }), {
      stopGrace: 30,
      services: {
        train: (_job, _cell, onStarted, signal) =>
          new Promise((_, reject) => {
            onStarted("run-1");
            signal.addEventListener("abort", () => {
              aborted = true;
              reject(new Error("stopped"));
            });
          }),
      },
    });
    for (const [id, trainings] of [
      ["kept", "go-on"],
      ["t", "end"],
    ] as const) {
      const run = session.run(id);
      await vi.waitFor(() => {
        expect(cell(id).outputs).toHaveLength(1);
      });
      await session.stop(id, trainings);
      await run;
      expect(cell(id).state.kind).toBe("cancelled");
      expect(aborted).toBe(trainings === "end");
    }
  });

  it("says why a lost kernel's cells failed, and does not start them again", async () => {
    open(code({ a: "const a = 1;", "wait lazy": "await new Promise(() => {});" }));
    await session.runEager();
    const run = session.run("wait");
    await vi.waitFor(() => {
      expect(cell("wait").state.kind).toBe("running");
    });
    link.onLost!({ code: "notebook/kernel-lost", message: "Gone.", fix: "Less.", line: null, column: null });
    await run;
    await vi.waitFor(() => {
      expect(cell("a").state.kind).toBe("done");
    });
    expect(cell("wait").state).toMatchObject({ kind: "error", error: { code: "notebook/kernel-lost" } });
  });
});
