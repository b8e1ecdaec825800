import { conversationOf, type ChatExample } from "../adapter/chat-messages.ts";
import { importFile, type FileKind, type ImportedFile } from "../adapter/exchange/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { Attempt } from "../store/lightning-records.ts";
import type { LightningStore, Rollout, Run, Span } from "../store/records.ts";
import { outsideRun } from "../store/rollout-writer.ts";
import { rolloutIdOf } from "../store/span.ts";
import { runHasEnded } from "../store/state-machines.ts";
import type { ImportProblem } from "../trace/import-problem.ts";
import { json, messagesOf } from "../trace/messages.ts";
import { isModelCall } from "../trace/model-call.ts";
import { finalReward } from "../trace/rewards.ts";
import { RolloutTrace, spanAt } from "../trace/rollout-trace.ts";
import { genAi } from "../trace/semantic-conventions.ts";
import { jobWith, takeResources, type TakenResources } from "./run-resources.ts";

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

/** Attempts by their ids, in the order of their first spans; undefined where there is but one. */
function attemptsIn(spans: readonly Span[], status: Rollout["status"]): readonly Attempt[] | undefined {
  const ids = [...new Set(spans.flatMap(({ attemptId }) => attemptId ?? []))];
  if (ids.length < 2) return undefined;
  return ids.map((id, i): Attempt => {
    const own = spans.filter(({ attemptId }) => attemptId === id);
    return {
      id,
      sequence: i + 1,
      status: i === ids.length - 1 && status === "succeeded" ? "succeeded" : "failed",
      startTime: own.reduce((least, { startTime }) => Math.min(least, startTime), Infinity),
      endTime: own.reduce((most, { endTime }) => Math.max(most, endTime), -Infinity),
      workerId: null,
      lastHeartbeat: null,
      metadata: null,
    };
  });
}

/** A rollout of which only spans are known: asked what its first call was asked, answered as its last one was. */
function rolloutOfSpans(runId: string, number: number, spans: readonly Span[]): Rollout {
  const calls = spans.filter(isModelCall);
  const tokens = (key: string, ids: "promptIds" | "responseIds"): number =>
    calls.reduce((sum, call) => {
      const said = call.attributes[key];
      return sum + (call.tokens?.[ids].length ?? (typeof said === "number" ? said : 0));
    }, 0);
  const conversations = calls.map(conversationOf).filter((said) => said !== null);
  const last = spans.at(-1)?.attemptId ?? null;
  const root = spans.find(({ parentId, attemptId }) => parentId === null && attemptId === last);
  const status = root?.status === "error" ? "failed" : "succeeded";
  const attemptList = attemptsIn(spans, status);
  return {
    ...emptyRollout(runId, number),
    task: conversations[0]?.prompt ?? null,
    result: conversations.at(-1)?.completion.at(-1)?.content ?? null,
    status,
    reward: finalReward(spans),
    ...(attemptList ? { attempts: attemptList.length, attemptList } : {}),
    calls: calls.length,
    inputTokens: tokens(genAi.inputTokens, "promptIds"),
    outputTokens: tokens(genAi.outputTokens, "responseIds"),
    startTime: spans.reduce((least, { startTime }) => Math.min(least, startTime), Infinity),
    endTime: spans.reduce((most, { endTime }) => Math.max(most, endTime), -Infinity),
  };
}

/** An example as what it would have been: asked so far, and answered thus, in one call. */
function rolloutOfExample(
  runId: string,
  number: number,
  { messages, tools }: ChatExample,
  now: number,
): readonly [Rollout, Span] {
  const last = messages.at(-1);
  const answered = last?.role === "assistant";
  const asked = answered ? messages.slice(0, -1) : messages;
  const place = new RolloutTrace(runId, number).attempt(1);
  const call = spanAt(place, {
    name: "chat",
    status: "ok",
    startTime: now,
    endTime: now,
    attributes: {
      [genAi.operationName]: "chat",
      [genAi.inputMessages]: json(messagesOf({ messages: asked })),
      ...(answered ? { [genAi.outputMessages]: json(messagesOf({ messages: [last] })) } : {}),
      ...(tools ? { [genAi.toolDefinitions]: json(tools) } : {}),
    },
  });
  const rollout = {
    ...emptyRollout(runId, number),
    task: asked,
    result: answered ? last.content : null,
    calls: 1,
    startTime: now,
    endTime: now,
  };
  return [rollout, call];
}

interface Renumbered {
  readonly rollouts: readonly Rollout[];
  /** By the number of their rollout. */
  readonly traces: ReadonlyMap<number, readonly Span[]>;
  /** Of no rollout. */
  readonly own: readonly Span[];
}

/** Ids that are made of the rollout's are made of its new one: `{rollout}`, `{rollout}.1`, `{rollout}/1/0`. */
const renamed = (id: string, before: string, after: string): string =>
  id === before || id.startsWith(`${before}.`) || id.startsWith(`${before}/`)
    ? after + id.slice(before.length)
    : id;

/**
 * What a file held as rollouts of a run of ours, numbered from 0. Groups of one run keep their numbers, which its spans name, too;
 * those of several are told apart by new ones.
 */
function renumber(
  file: ImportedFile,
  runId: string,
  resources: ReadonlyMap<string, string>,
  now: number,
): Renumbered {
  const rollouts: Rollout[] = [];
  const numbers = new Map<string, number>();
  const groups = new Map<string, number>();
  const keepsGroups =
    new Set(file.rollouts.map((old) => old.runId)).size === 1 &&
    file.rollouts.every((old) => Number.isSafeInteger(old.group) && old.group >= 0);
  for (const old of file.rollouts) {
    const number = rollouts.length;
    const group = `${old.runId}/${String(old.mode)}/${old.group}`;
    if (!groups.has(group)) groups.set(group, groups.size);
    numbers.set(old.id, number);
    const id = rolloutIdOf(runId, number);
    const { attemptList, resourcesId } = old;
    rollouts.push({
      ...old,
      ...(attemptList
        ? { attemptList: attemptList.map((it) => ({ ...it, id: renamed(it.id, old.id, id) })) }
        : {}),
      ...(resourcesId ? { resourcesId: resources.get(resourcesId) ?? resourcesId } : {}),
      id,
      runId,
      number,
      group: keepsGroups ? old.group : groups.get(group)!,
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
    const before = span.rolloutId;
    const after = rolloutIdOf(runId, number);
    trace.push({
      ...span,
      runId,
      rolloutId: after,
      spanId: renamed(span.spanId, before, after),
      traceId: renamed(span.traceId, before, after),
      parentId: span.parentId && renamed(span.parentId, before, after),
      attemptId: span.attemptId && renamed(span.attemptId, before, after),
    });
  }
  for (let number = known; number < numbers.size; number++)
    rollouts.push(rolloutOfSpans(runId, number, traces.get(number) ?? []));
  for (const example of file.examples) {
    const number = rollouts.length;
    const [rollout, call] = rolloutOfExample(runId, number, example, now);
    rollouts.push(rollout);
    traces.set(number, [call]);
  }
  return { rollouts, traces, own };
}

const nothingTaken: TakenResources = { ids: new Map(), started: null };

/** The run's row: an archive's own where its fields are such as a page can show, or one for rollouts from outside. */
function runRow(
  file: ImportedFile,
  name: string,
  runId: string,
  { ids, started }: TakenResources,
  rollouts: number,
  now: number,
): Run {
  const named = outsideRun(runId, name.replace(/\.[^.]*$/, "") || name, "succeeded", now);
  const row = { ...named, step: rollouts };
  const archived = file.archive?.run;
  if (!archived) return row;
  const known: ReadonlyMap<string, unknown> = new Map(Object.entries(row));
  const fits = Object.entries(archived).filter(([key, value]) => {
    // They are where they were put here.
    if (key === "resources") return false;
    const own = known.get(key);
    if (own === null || own === undefined) return true;
    return value !== null && typeof value === typeof own && Array.isArray(value) === Array.isArray(own);
  });
  const kept = { ...row, ...Object.fromEntries(fits) };
  const kind = ["simulated", "agentic", "supervised"].includes(kept.kind) ? kept.kind : "outside";
  return {
    ...kept,
    ...(started ? { resources: started } : {}),
    job: jobWith(kept.job, ids),
    kind,
    id: runId,
    notebook: null,
    cell: null,
    createdAt: now,
    updatedAt: now,
  };
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
  const { kind, callsWithoutTokens, problems } = file;
  if (file.rollouts.length + file.spans.length + file.examples.length === 0 && !file.archive?.run) {
    throw new FulguriteError(
      "import/nothing",
      `Nothing in ${name} could be read${problems[0] ? `: ${problems[0].message}` : "."}`,
      "Choose a zip, Arrow, OTLP (JSON or protobuf) or JSON lines file, as Export writes them.",
    );
  }
  const resources = file.archive ? await takeResources(store, file.archive, runId) : nothingTaken;
  const { rollouts, traces, own } = renumber(file, runId, resources.ids, now);
  const run = runRow(file, name, runId, resources, rollouts.length, now);
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
