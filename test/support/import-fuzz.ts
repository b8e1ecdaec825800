import { strToU8 } from "fflate";
import fc from "fast-check";
import { wrongRollout, wrongSpan } from "../../src/adapter/exchange/checks.ts";
import {
  encodeFineTuning,
  encodeRolloutLines,
  encodeRunArchive,
  encodeSpanTable,
  importFile,
  type FileKind,
  type ImportedFile,
} from "../../src/adapter/exchange/index.ts";
import { decodeRunArchive } from "../../src/adapter/exchange/run-archive.ts";
import { decodeSpanTable } from "../../src/adapter/exchange/span-table.ts";
import { FulguriteError } from "../../src/gpu/error.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import { MemoryStorage } from "../../src/store/memory-storage.ts";
import type { Checkpoint, Rollout, Run, Span } from "../../src/store/records.ts";
import { encodeOtlpJson } from "../../src/trace/otlp/json.ts";
import { decodeOtlpProtobuf, encodeOtlpProtobuf } from "../../src/trace/otlp/protobuf.ts";
import { spansFromOtlp, spansToOtlp } from "../../src/trace/otlp/spans.ts";
import { agenticUpdate } from "../store/agentic-batch.ts";
import { makeRun } from "../store/contract.ts";
import { savedWorkspace } from "../store/workspace-contract.ts";
import { anySpan } from "./arbitrary-spans.ts";

export const fileKinds: readonly FileKind[] = [
  "otlp-json",
  "otlp-protobuf",
  "arrow",
  "rollouts",
  "fine-tuning",
  "archive",
];

/** What is wounded: every kind of file that a run is imported from, and saved workspaces. */
export type FuzzedKind = FileKind | "workspace";
export const fuzzedKinds: readonly FuzzedKind[] = [...fileKinds, "workspace"];

/** Numbers from a seed, 32 bits each (mulberry32). */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const rollout = (number: number): Rollout => ({
  id: `r/${number}`,
  runId: "r",
  number,
  update: 1,
  mode: "train",
  group: 0,
  sample: number,
  task: { word: "abc", bytes: Uint8Array.of(1, 2), map: new Map([["a", 1n]]) },
  status: "succeeded",
  reason: null,
  message: null,
  result: "cba",
  reward: 0.5,
  components: { exact: 1 },
  advantage: -0.5,
  attempts: 1,
  calls: 1,
  inputTokens: 3,
  outputTokens: 4,
  policyVersion: 2,
  startTime: 1,
  endTime: 2,
});

const spans: readonly Span[] = fc
  .sample(anySpan, { numRuns: 12, seed: 11 })
  .map((span, i) => ({ ...span, spanId: `span-${i}` }));
const rollouts = [rollout(0), rollout(1), rollout(2)];
const run = { id: "r", status: "succeeded", job: { seed: 1 } } as unknown as Run;
const checkpoint = { runId: "r", state: { weights: Float32Array.of(1, 2) } } as unknown as Checkpoint;
const examples = Array.from({ length: 4 }, (_, i) => ({
  messages: [
    { role: "user", content: `question ${i}` },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "c", type: "function" as const, function: { name: "f", arguments: "{}" } }],
    },
    { role: "tool", content: "7", tool_call_id: "c" },
    { role: "assistant", content: "seven" },
  ],
  tools: [{ type: "function" as const, function: { name: "f", description: "", parameters: {} } }],
}));

async function workspace(): Promise<Uint8Array> {
  const store = new TransactionalStore(new MemoryStorage());
  const { rollouts: made, spans: traces } = agenticUpdate("r", 1, 6);
  await store.commit({ run: makeRun("r", { status: "running" }), rollouts: made, spans: traces });
  await store.seal("r");
  await store.commit({
    rollouts: [{ ...rollout(6), id: "r/6", task: { bytes: Uint8Array.of(1, 2), big: 1n } }],
  });
  await store.resources.add({ prompt: { type: "prompt_template", template: "ü", engine: "jinja" } });
  await store.setSetting("draft/x", "text");
  return new Uint8Array(await (await savedWorkspace(store)).arrayBuffer());
}

/** One good file of each kind. */
export const goodFiles: Readonly<Record<FuzzedKind, Uint8Array>> = {
  workspace: await workspace(),
  "otlp-json": strToU8(encodeOtlpJson(spansToOtlp(spans))),
  "otlp-protobuf": encodeOtlpProtobuf(spansToOtlp(spans)),
  arrow: encodeSpanTable(spans),
  rollouts: strToU8(encodeRolloutLines({ rollouts, spans })),
  "fine-tuning": strToU8(encodeFineTuning(examples)),
  archive: encodeRunArchive({ run, rollouts, spans, checkpoint, resources: [{ id: "rs" }] }),
};

const words = [
  "null",
  "-1",
  "1e999",
  '""',
  "[]",
  "{}",
  "true",
  "18446744073709551616",
  '"__proto__"',
  '{"$":"map","value":[[1]]}',
  '{"$":"date","value":1e99}',
  '{"$":"Float64Array","value":"AA=="}',
  '{"$":"regexp","value":"("}',
  '{"intValue":"x"}',
  '{"kvlistValue":{"values":[{"key":"__proto__","value":{"intValue":1}}]}}',
  "[".repeat(3000),
  "\\ud800",
].map((word) => strToU8(word));
const sizes = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

type Bytes = Uint8Array<ArrayBuffer>;

const splice = (bytes: Bytes, at: number, removed: number, added: Uint8Array): Bytes => {
  const result = new Uint8Array(bytes.length - removed + added.length);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(bytes.subarray(at + removed), at + added.length);
  return result;
};

/** The file with one to eight wounds: bits, bytes, sizes, blocks cut, doubled or swapped, JSON values replaced. */
export function mutate(good: Uint8Array, next: () => number): Bytes {
  let bytes: Bytes = new Uint8Array(good);
  for (let wounds = 1 + (next() % 8); wounds > 0 && bytes.length > 0; wounds--) {
    const at = next() % bytes.length;
    const length = Math.min(bytes.length - at, 1 + (next() % 64));
    switch (next() % 10) {
      case 0:
        bytes[at]! ^= 1 << (next() % 8);
        break;
      case 1:
        bytes[at] = next();
        break;
      case 2:
        bytes = bytes.slice(0, next() % 4 === 0 ? at : bytes.length);
        break;
      case 3:
        bytes = splice(bytes, at, length, new Uint8Array());
        break;
      case 4:
        bytes = splice(bytes, at, 0, bytes.slice(at, at + length));
        break;
      case 5:
        bytes = splice(bytes, at, length, bytes.slice(next() % bytes.length).subarray(0, length));
        break;
      case 6:
        if (at + 4 <= bytes.length)
          new DataView(bytes.buffer).setUint32(at, sizes[next() % sizes.length]!, true);
        break;
      case 7:
        bytes = splice(bytes, at, 0, words[next() % words.length]!);
        break;
      case 8: {
        // A whole JSON scalar, where there is one.
        const text = new TextDecoder("latin1").decode(bytes.subarray(at, at + 400));
        const found = /(?<=:)("[^"]*"|-?[\d.]+|null|true|false)/.exec(text);
        if (found) bytes = splice(bytes, at + found.index, found[0].length, words[next() % words.length]!);
        break;
      }
      default:
        bytes[at] = 0x30 + (next() % 10);
    }
  }
  return bytes;
}

const refusals: readonly unknown[] = ["store/damaged-workspace", "store/no-workspace", "store/newer-version"];

/** A workspace is opened whole or not at all: a wounded one is refused before anything is written. */
async function workspaceFault(bytes: Uint8Array): Promise<string | null> {
  const good = goodFiles.workspace;
  const same = bytes.length === good.length && bytes.every((byte, i) => byte === good[i]);
  const store = new TransactionalStore(new MemoryStorage());
  let refused: unknown = null;
  try {
    await store.openWorkspace(new Blob([new Uint8Array(bytes)]));
  } catch (error) {
    refused = error;
  }
  const runs = await store.runs();
  if (same) return refused === null && runs.length === 1 ? null : "it refused the file as it was saved";
  if (refused === null) return "it opened a wounded file";
  if (!(refused instanceof FulguriteError && refusals.includes(refused.code)))
    return `it threw ${refused instanceof Error ? (refused.stack ?? refused.message) : JSON.stringify(refused)}`;
  const { runs: used } = await store.usage();
  return runs.length + used.length > 0 || (await store.resources.latest())
    ? "it wrote some of what it refused"
    : null;
}

/** What importing these bytes did wrong; null where it did all that it must: end soon, throw nothing, give only good records. */
export async function importFault(bytes: Uint8Array, kind: FuzzedKind): Promise<string | null> {
  const start = process.cpuUsage();
  if (kind === "workspace") return (await workspaceFault(bytes)) ?? tooSlow(start);
  const reads: (() => Pick<ImportedFile, "spans" | "problems" | "rollouts">)[] = [
    () => importFile(bytes, "run"),
  ];
  // Past the first bytes, which tell the kind, too.
  if (kind === "arrow") {
    reads.push(() => {
      const { items, problems } = decodeSpanTable(bytes);
      return { spans: items, rollouts: [], problems };
    });
  } else if (kind === "otlp-protobuf") {
    reads.push(() => {
      const { items, problems } = spansFromOtlp(decodeOtlpProtobuf(bytes), { runId: "run" });
      return { spans: items, rollouts: [], problems };
    });
  } else if (kind === "archive") reads.push(() => decodeRunArchive(bytes));
  for (const read of reads) {
    try {
      const { spans: readSpans, rollouts: readRollouts, problems } = read();
      for (const span of readSpans) {
        const wrong = wrongSpan(span);
        if (wrong !== null) return `it gave a span of which ${wrong}`;
      }
      for (const one of readRollouts) {
        const wrong = wrongRollout(one);
        if (wrong !== null) return `it gave a rollout of which ${wrong}`;
      }
      for (const { code, message, fix } of problems) {
        if (!code.startsWith("import/") || message === "" || fix === "") return "a problem says nothing";
      }
      if (({} as Record<string, unknown>)["polluted"] !== undefined) return "it changed Object.prototype";
    } catch (error) {
      return `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    }
  }
  return tooSlow(start);
}

/** Not by the clock: others use the machine too. */
function tooSlow(start: NodeJS.CpuUsage): string | null {
  const { user, system } = process.cpuUsage(start);
  const milliseconds = (user + system) / 1000;
  return milliseconds > 3000 ? `it took ${milliseconds.toFixed(0)} ms` : null;
}
