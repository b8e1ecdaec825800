import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { environmentByName } from "../env/registry.ts";
import { parseDocument } from "./document.ts";
import { Kernel } from "./kernel.ts";
import type { KernelCellState, KernelMessage } from "./protocol.ts";
import type { Output } from "./session-types.ts";

let kernel: Kernel | null = null;
afterEach(() => {
  kernel?.dispose();
  kernel = null;
});

interface Ran {
  readonly states: Map<string, KernelCellState>;
  readonly outputs: Map<string, Output[]>;
  readonly jobs: Extract<KernelMessage, { kind: "train" }>[];
}

/** Runs all cheap cells, then `lazy` ones; training never resolves. */
async function run(
  cells: readonly { id: string; source: string; lazy: boolean }[],
  lazy: readonly string[],
): Promise<Ran> {
  const states = new Map<string, KernelCellState>();
  const outputs = new Map<string, Output[]>();
  const jobs: Ran["jobs"] = [];
  const settled = new Set<number>();
  const made = new Kernel((sent) => {
    const message = structuredClone(sent);
    if (message.kind === "state") states.set(message.id, message.state);
    else if (message.kind === "outputs")
      outputs.set(message.id, [...(outputs.get(message.id) ?? []), ...message.outputs]);
    else if (message.kind === "train") jobs.push(message);
    else if (message.kind === "settled") settled.add(message.command);
  });
  kernel = made;
  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 600 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(condition()).toBe(true);
  };
  made.receive({ kind: "cells", cells: [...cells] });
  made.receive({ kind: "run-eager", command: 1 });
  await until(() => settled.has(1));
  for (const [i, id] of lazy.entries()) {
    made.receive({ kind: "run", command: 2 + i, id });
    await until(() => jobs.length > i || states.get(id)?.kind === "error");
  }
  return { states, outputs, jobs };
}

const cell = (id: string, source: string, lazy = false): { id: string; source: string; lazy: boolean } => ({
  id,
  source,
  lazy,
});

test("the notebook of environments defines and sends them", async () => {
  const { cells } = parseDocument(readFileSync("notebooks/environments.nb.ts", "utf8"));
  const code = cells
    .filter(({ kind }) => kind === "code")
    .map(({ id, source, flags }) => cell(id, source, flags.includes("lazy")));
  const lazy = code.filter((entry) => entry.lazy).map(({ id }) => id);
  const { states, outputs, jobs } = await run(code, lazy);
  expect([...states].filter(([, { kind }]) => kind === "error")).toEqual([]);
  expect(jobs).toHaveLength(3);
  const shown = ["lake", "map", "lander"].map((id) => outputs.get(id)?.[0]);
  expect(shown.map((output) => output?.view)).toEqual(["environment", "environment", "environment"]);
  const environments = jobs.map(({ job }) =>
    environmentByName(job.kind === "simulated" ? job.environment : ""),
  );
  expect(environments.map(({ name }) => name)).toEqual(["FrozenLake-v1", "GridWorld", "Lander"]);
  expect(environments[2]!.rewardComponents?.names).toEqual(["landing", "fuel", "time"]);
});

test("a step reward may be for an environment of the cells, with functions and lists of theirs", async () => {
  const { states, jobs } = await run(
    [
      cell(
        "weights",
        "export const weights = [1, 0.5];\nexport const size = (x: number) => Math.abs(x) * weights[1];",
      ),
      cell(
        "world",
        'export const world = defineEnv({ state: ["place"], actions: 2, reset: () => ({ place: 0 }), step(s, a) { s.place += 2 * a - 1; }, reward: (s, a, next) => next.place });',
      ),
      cell(
        "reward",
        "export const reward = defineReward.step((s, a, next) => weights[0] - size(next.place), { env: world });",
      ),
      cell("training", "await train({ env: world, reward });", true),
    ],
    ["training"],
  );
  expect([...states].filter(([, { kind }]) => kind === "error")).toEqual([]);
  const { job } = jobs[0]!;
  expect(job.kind === "simulated" && job.reward).toMatchObject({
    constants: { weights: [1, 0.5] },
    functions: { size: { source: expect.stringContaining("weights[1]") as string } },
  });
});

test("what is wrong is said with the cell's own line", async () => {
  const { states } = await run(
    [
      cell(
        "loop",
        'defineEnv({\n  state: ["x"],\n  actions: 2,\n  reset: () => ({ x: 0 }),\n  step: (s) => {\n    while (s.x < 3) s.x += 1;\n  },\n  reward: () => 1,\n});',
      ),
      cell(
        "loss",
        "const k = 2;\nexport const good = defineLoss((row) => k * row.value);\ndefineLoss((row) =>\n  row.reward);",
      ),
    ],
    [],
  );
  expect(states.get("loop")).toMatchObject({
    kind: "error",
    error: { code: "compile/unsupported", line: 6 },
  });
  expect(states.get("loss")).toMatchObject({
    kind: "error",
    error: { code: "compile/unknown-field", line: 4 },
  });
});
