import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { expect, test } from "vitest";
import type { CompletionRequest } from "../src/train/complete.ts";
import { wilson } from "../src/train/wilson.ts";
import { rolloutsTo, runNotebook, type NotebookRun } from "./support/run-notebook.ts";
import { textToSql } from "./support/text-to-sql.ts";

const seeds = [1, 2, 3];
const must = 0.85;
const goal = 0.95;

/** Share of right answers with its 95 % Wilson interval. */
type Share = readonly [number, number, number];
type Report = Readonly<Record<"execution" | "exact" | "joins" | "oneTable" | "unseenCompositions", Share>>;

const methods = {
  training: "grpo",
  baseline: "filtered cloning once",
  repeated: "filtered cloning repeated",
} as const;

interface Row {
  readonly algorithm: (typeof methods)[keyof typeof methods];
  readonly seed: number;
  readonly date: string;
  readonly rollouts: number;
  /** Of training alone, on a machine with other work. */
  readonly minutes: number;
  /** To 0.95 on the held-out questions. */
  readonly rolloutsToGoal: number | null;
  readonly greedy: Report;
  readonly sampled: Report;
  /** [rollouts, greedy execution accuracy on the 400 held-out questions] */
  readonly curve: readonly (readonly [number, number])[];
}

const rows: Row[] = [];
let start: { readonly greedy: Report; readonly sampled: Report } | null = null;

async function report(
  { trainer }: Pick<NotebookRun, "trainer">,
  from: CompletionRequest["from"],
  temperature: number,
): Promise<Report> {
  const { judged, tasks, unseenCompositions } = await textToSql((options) =>
    trainer.complete({ ...(options as Omit<CompletionRequest, "from">), from }),
  );
  const asked = async (list: typeof tasks.heldOut) => judged({} as never, list, temperature);
  const known = await asked(tasks.heldOut);
  const share = (list: typeof known, ...right: readonly string[]): Share => {
    const count = list.filter(({ verdict }) => right.includes(verdict)).length;
    const { low, high } = wilson(count, list.length);
    return [count / list.length, low, high].map((value) => Number(value.toFixed(4))) as unknown as Share;
  };
  const right = ["exact", "equivalent"];
  return {
    execution: share(known, ...right),
    exact: share(known, "exact"),
    joins: share(
      known.filter(({ join }) => join),
      ...right,
    ),
    oneTable: share(
      known.filter(({ join }) => !join),
      ...right,
    ),
    unseenCompositions: share(await asked(unseenCompositions), ...right),
  };
}

async function row(cell: keyof typeof methods, seed: number): Promise<Row> {
  const run = await runNotebook("text-to-sql", cell, { job: (job) => ({ ...job, seed }) });
  const { job, result, curve } = run;
  const policy = { kind: "policy", policy: job.policy } as const;
  start ??= { greedy: await report(run, policy, 0), sampled: await report(run, policy, 1) };
  const from = { kind: "run", runId: result.runId } as const;
  const made: Row = {
    algorithm: methods[cell],
    seed,
    date: new Date().toISOString(),
    rollouts: result.step,
    minutes: Number((result.activeTime / 60_000).toFixed(2)),
    rolloutsToGoal: rolloutsTo(curve, goal),
    greedy: await report(run, from, 0),
    sampled: await report(run, from, 1),
    curve: Array.from(curve.evaluations.step, (at, i) => [at, curve.evaluations.mean[i]!] as const),
  };
  rows.push(made);
  keep();
  const { greedy, sampled } = made;
  console.log(
    `${made.algorithm} seed ${seed}: greedy ${greedy.execution.join(" ")}, joins ${greedy.joins[0]}, sampled ${sampled.execution[0]}, unseen ${greedy.unseenCompositions[0]}, ${made.minutes} minutes`,
  );
  return made;
}

test.each(seeds)("GRPO writes right queries over schemas that it has never seen, seed %i", async (seed) => {
  const { greedy } = await row("training", seed);
  expect(greedy.execution[0]).toBeGreaterThanOrEqual(must);
});

test.each(seeds)("filtered cloning once with as many rollouts, seed %i, for comparison", async (seed) => {
  const { greedy } = await row("baseline", seed);
  expect(greedy.execution[0]).toBeGreaterThan(0);
});

test.each(seeds)("filtered cloning repeated with as many rollouts, seed %i", async (seed) => {
  const { greedy } = await row("repeated", seed);
  expect(greedy.execution[0]).toBeGreaterThan(0);
});

/** After every run, so that one that is cut off keeps what it has; rows of an earlier proof stay until they are renewed. */
function keep(): void {
  const file = new URL("../bench/results/text-to-sql-cpu.json", import.meta.url);
  interface Kept {
    readonly start: typeof start;
    readonly rows: readonly Row[];
  }
  const key = ({ algorithm, seed }: Row): string => `${algorithm} ${seed}`;
  const made = new Set(rows.map(key));
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Kept) : { start, rows: [] };
  const all = [...before.rows.filter((it) => !made.has(key(it))), ...rows].sort((a, b) =>
    key(a) < key(b) ? -1 : 1,
  );
  const mean = (algorithm: string, how: "greedy" | "sampled"): number => {
    const values = all.filter((it) => it.algorithm === algorithm).map((it) => it[how].execution[0]);
    return Number((values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(4));
  };
  const means = Object.fromEntries(
    [...new Set(all.map(({ algorithm }) => algorithm))].map((algorithm) => [
      algorithm,
      { greedy: mean(algorithm, "greedy"), sampled: mean(algorithm, "sampled") },
    ]),
  );
  const record = {
    what: "notebooks/text-to-sql.nb.ts: execution accuracy on 400 questions over 80 held-out schemas and on 100 of held-out compositions, all of it through agent, gateway, reward and store; [share, low, high] with 95 % Wilson intervals",
    engine: "cpu",
    adapter: "WebAssembly SIMD",
    machine: cpus()[0]?.model ?? "unknown",
    means,
    warmStart: start ?? before.start,
    rows: all,
  };
  writeFileSync(file, `${JSON.stringify(record, null, 1)}\n`);
}
