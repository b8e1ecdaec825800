import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import type { LightningStore } from "../store/records.ts";
import type { Curve } from "../train/events.ts";
import { factsOf, keptRollouts, recordRun, type RecordedRun } from "../train/recorded-run.ts";
import type { Trainer } from "../train/trainer.ts";

/** Reads a finished run back from the store. Only what really ran is ever recorded. */
export async function recordedRun(
  store: LightningStore,
  trainer: Trainer,
  runId: string,
): Promise<RecordedRun> {
  const run = (await store.run(runId))!;
  let curve: Curve | null = null;
  const stop = await trainer.watch(runId, (event) => {
    if (event.kind === "curve") curve = event.curve;
  });
  stop();
  return recordRun(factsOf(run, commitOfHere()), curve as unknown as Curve, await keptRollouts(store, run));
}

/** Writes a recorded run into a notebook's results, in place of what was recorded of the same cell. */
export async function addRecord(file: string, record: RecordedRun): Promise<void> {
  const text = await readFile(file, "utf8").catch(() => "[]");
  const kept = ([JSON.parse(text)] as RecordedRun[]).flat().filter(({ cell }) => cell !== record.cell);
  const lines = [...kept, record].map((it) => JSON.stringify(it));
  await writeFile(file, `[\n${lines.join(",\n")}\n]\n`);
}

function commitOfHere(): string | null {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return null;
  }
}
