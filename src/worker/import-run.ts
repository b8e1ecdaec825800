import type { ChatExample } from "../adapter/chat-messages.ts";
import { importFile, type FileKind, type ImportedFile } from "../adapter/exchange/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { LightningStore, Rollout, Run, Span } from "../store/records.ts";
import { outsideRun } from "../store/rollout-writer.ts";
import { rolloutIdOf } from "../store/span.ts";
import { runHasEnded } from "../store/state-machines.ts";
import type { ImportProblem } from "../trace/import-problem.ts";
import { finalReward } from "../trace/rewards.ts";

export interface ImportReport {
  /** The new run that holds it. */
  readonly runId: string;
  readonly kind: FileKind;
  readonly rollouts: number;
  readonly spans: number;
  /** Model calls without token ids: good for reading, not for policy gradients. */
  readonly callsWithoutTokens: number;
  /** What could not be read. */
  readonly problems: readonly ImportProblem[];
}

/** Rollouts of one commit, with their spans. */
const chunk = 500;

const emptyRollout = (runId: string, number: number): Rollout => ({
  id: rolloutIdOf(runId, number),
  runId,
  number,
  update: 0,
  mode: null,
  group: number,
  sample: 0,
  task: null,
  status: "succeeded",
  reason: null,
  message: null,
  result: null,
  reward: null,
  components: {},
  advantage: null,
  attempts: 1,
  calls: 0,
  inputTokens: 0,
  outputTokens: 0,
  policyVersion: 0,
  startTime: 0,
  endTime: 0,
});

/** A rollout of which only spans are known. */
function rolloutOfSpans(runId: string, number: number, spans: readonly Span[]): Rollout {
  const calls = spans.filter(({ tokens }) => tokens);
  const ids = (key: "promptIds" | "responseIds"): number =>
    calls.reduce((sum, { tokens }) => sum + (tokens?.[key].length ?? 0), 0);
  return {
    ...emptyRollout(runId, number),
    reward: finalReward(spans),
    calls: calls.length,
    inputTokens: ids("promptIds"),
    outputTokens: ids("responseIds"),
    startTime: spans.reduce((least, { startTime }) => Math.min(least, startTime), Infinity),
    endTime: spans.reduce((most, { endTime }) => Math.max(most, endTime), -Infinity),
  };
}

/** An example as what it would have been: asked so far, and answered thus. */
function rolloutOfExample(runId: string, number: number, { messages }: ChatExample, now: number): Rollout {
  const last = messages.at(-1);
  const answered = last?.role === "assistant";
  return {
    ...emptyRollout(runId, number),
    task: answered ? messages.slice(0, -1) : messages,
    result: answered ? last.content : null,
    startTime: now,
    endTime: now,
  };
}

interface Renumbered {
  readonly rollouts: readonly Rollout[];
  /** By the number of their rollout. */
  readonly traces: ReadonlyMap<number, readonly Span[]>;
  /** Of no rollout. */
  readonly own: readonly Span[];
}

/** What a file held as rollouts of a run of ours, numbered from 0; siblings stay siblings. */
function renumber(file: ImportedFile, runId: string, now: number): Renumbered {
  const rollouts: Rollout[] = [];
  const numbers = new Map<string, number>();
  const groups = new Map<string, number>();
  for (const old of file.rollouts) {
    const number = rollouts.length;
    const group = `${old.runId}/${String(old.mode)}/${old.group}`;
    if (!groups.has(group)) groups.set(group, groups.size);
    numbers.set(old.id, number);
    rollouts.push({
      ...old,
      id: rolloutIdOf(runId, number),
      runId,
      number,
      group: groups.get(group)!,
      update: Math.max(0, Math.trunc(old.update)),
    });
  }
  const traces = new Map<number, Span[]>();
  const own: Span[] = [];
  const known = rollouts.length;
  for (const span of file.spans) {
    if (span.rolloutId === null) {
      own.push({ ...span, runId });
      continue;
    }
    const number = numbers.get(span.rolloutId) ?? numbers.size;
    numbers.set(span.rolloutId, number);
    const trace = traces.get(number) ?? [];
    traces.set(number, trace);
    trace.push({ ...span, runId, rolloutId: rolloutIdOf(runId, number) });
  }
  for (let number = known; number < numbers.size; number++)
    rollouts.push(rolloutOfSpans(runId, number, traces.get(number) ?? []));
  for (const example of file.examples) rollouts.push(rolloutOfExample(runId, rollouts.length, example, now));
  return { rollouts, traces, own };
}

/** The run's row: an archive's own where its fields are such as a page can show, or one for rollouts from outside. */
function runRow(file: ImportedFile, name: string, runId: string, now: number): Run {
  const row = outsideRun(runId, name.replace(/\.[^.]*$/, "") || name, "succeeded", now);
  const archived = file.archive?.run;
  if (!archived) return row;
  const known: ReadonlyMap<string, unknown> = new Map(Object.entries(row));
  const fits = Object.entries(archived).filter(([key, value]) => {
    const own = known.get(key);
    if (own === null || own === undefined) return true;
    return value !== null && typeof value === typeof own && Array.isArray(value) === Array.isArray(own);
  });
  const kept = { ...row, ...Object.fromEntries(fits) };
  const kind = ["simulated", "agentic", "supervised"].includes(kept.kind) ? kept.kind : "outside";
  // Its resources stayed where it came from.
  delete (kept as { resources?: unknown }).resources;
  return { ...kept, kind, id: runId, notebook: null, cell: null, createdAt: now, updatedAt: now };
}

/**
 * Keeps what a file of any kind holds as a new run under `runId`. Rejects with "import/nothing" where nothing in it can be read; any
 * other problem is in the report.
 */
export async function importRun(
  store: LightningStore,
  { name, bytes }: { readonly name: string; readonly bytes: Uint8Array },
  runId: string,
  now: number,
): Promise<ImportReport> {
  const file = importFile(bytes, runId);
  const { rollouts, traces, own } = renumber(file, runId, now);
  const { kind, callsWithoutTokens, problems } = file;
  if (rollouts.length === 0 && own.length === 0 && !file.archive?.run) {
    throw new FulguriteError(
      "import/nothing",
      `Nothing in ${name} could be read${problems[0] ? `: ${problems[0].message}` : "."}`,
      "Choose a zip, Arrow, OTLP (JSON or protobuf) or JSON lines file, as Export writes them.",
    );
  }
  const run = runRow(file, name, runId, now);
  await store.commit({ run: { ...run, status: "running" }, spans: own });
  for (let at = 0; at < rollouts.length; at += chunk) {
    const part = rollouts.slice(at, at + chunk);
    await store.commit({ rollouts: part, spans: part.flatMap(({ number }) => traces.get(number) ?? []) });
  }
  const checkpoint = file.archive?.checkpoint;
  const status = runHasEnded(run.status) ? run.status : checkpoint ? "paused" : "cancelled";
  await store.commit({
    run: { ...run, status },
    ...(checkpoint ? { checkpoint: { ...checkpoint, runId } } : {}),
  });
  const spans = own.length + [...traces.values()].reduce((sum, trace) => sum + trace.length, 0);
  return { runId, kind, rollouts: rollouts.length, spans, callsWithoutTokens, problems };
}
