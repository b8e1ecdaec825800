import { strToU8, unzipSync, zipSync } from "fflate";
import fc from "fast-check";
import { expect, test } from "vitest";
import { anySpan } from "../../../test/support/arbitrary-spans.ts";
import type { Checkpoint, Rollout, Run, Span } from "../../store/records.ts";
import { encodeOtlpJson } from "../../trace/otlp/json.ts";
import { encodeOtlpProtobuf } from "../../trace/otlp/protobuf.ts";
import { spansToOtlp } from "../../trace/otlp/spans.ts";
import type { ChatExample } from "../chat-messages.ts";
import { decodeCloneable, encodeCloneable } from "./cloneable-json.ts";
import {
  decodeFineTuning,
  decodeRolloutLines,
  decodeRunArchive,
  decodeSpanTable,
  encodeFineTuning,
  encodeRolloutLines,
  encodeRunArchive,
  encodeSpanTable,
  fileKind,
  importFile,
} from "./index.ts";

const rollout = (number: number): Rollout => ({
  id: `01R/${number}`,
  runId: "01R",
  number,
  update: 1,
  mode: "train",
  group: 0,
  sample: number,
  task: {
    word: "abc",
    bytes: Uint8Array.of(1, 2),
    when: new Date(5),
    odd: new Map([[1n, new Set([Number.NaN])]]),
  },
  status: "succeeded",
  reason: null,
  message: null,
  result: undefined,
  reward: -0,
  components: { exact: 0.1, length: Number.POSITIVE_INFINITY },
  advantage: null,
  attempts: 1,
  calls: 1,
  inputTokens: 3,
  outputTokens: 4,
  policyVersion: 2,
  startTime: 1,
  endTime: 2,
});
const rollouts = [rollout(0), rollout(1)];

const samples = (count: number): Span[] =>
  fc.sample(anySpan, { numRuns: count, seed: 7 }).map((span, i) => ({ ...span, spanId: `s${i}` }));

const run = {
  id: "01R",
  kind: "agentic",
  name: "words",
  status: "succeeded",
  job: { seed: 1n },
  metrics: {},
} as unknown as Run;
const checkpoint = {
  runId: "01R",
  update: 3,
  step: 3,
  createdAt: 9,
  state: { kind: "agentic", update: 3, rollouts: 8, language: { weights: Float32Array.of(0.1, -0, 3) } },
} as unknown as Checkpoint;
const archive = { run, rollouts, spans: samples(30), checkpoint, resources: [{ id: "rs-1", version: 1 }] };

test("any spans come back from an Arrow file as they were", () => {
  fc.assert(
    fc.property(fc.array(anySpan, { maxLength: 5 }), (spans) => {
      const table = encodeSpanTable(spans, rollouts);
      expect(decodeSpanTable(table)).toEqual({ items: spans, rollouts, problems: [] });
    }),
    { numRuns: 150, endOnFailure: true },
  );
});

test("any spans come back from lines as they were", () => {
  fc.assert(
    fc.property(fc.array(anySpan, { maxLength: 5 }), (spans) => {
      expect(decodeRolloutLines(encodeRolloutLines({ rollouts, spans }))).toEqual({
        rollouts,
        spans,
        problems: [],
      });
    }),
    { numRuns: 100, endOnFailure: true },
  );
});

test("any cloneable value comes back from JSON", () => {
  const typed = fc.oneof(fc.float32Array(), fc.int8Array(), fc.bigInt64Array());
  const value = fc.oneof(
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
    typed,
    fc.dictionary(fc.constantFrom("$", "$$", "$x", "a", "__proto__"), fc.anything()),
  );
  fc.assert(
    fc.property(value, (original) => {
      const { json, whole } = encodeCloneable(original);
      fc.pre(whole);
      expect(decodeCloneable(JSON.parse(JSON.stringify(json)))).toEqual(original);
    }),
    { numRuns: 400, endOnFailure: true },
  );
  const circle: unknown[] = [1];
  circle.push(circle);
  expect(encodeCloneable(circle)).toEqual({ json: [1, null], whole: false });
});

test("a run's archive comes back as it was, and its bytes are always the same", () => {
  const bytes = encodeRunArchive(archive);
  expect(decodeRunArchive(bytes)).toEqual({ ...archive, problems: [] });
  expect(encodeRunArchive(archive)).toEqual(bytes);
  expect(Object.keys(unzipSync(bytes))).toEqual([
    "manifest.json",
    "run.json",
    "rollouts.jsonl",
    "spans.arrow",
    "checkpoint.json",
    "resources.json",
  ]);
});

test("a broken part of an archive is named and costs only itself", () => {
  const files = unzipSync(encodeRunArchive(archive));
  const broken = decodeRunArchive(zipSync({ ...files, "run.json": strToU8("{") }));
  expect(broken.run).toBeNull();
  expect(broken.spans).toHaveLength(30);
  expect(broken.problems.map(({ message }) => message.split(":")[0])).toEqual([
    "run.json",
    "run.json",
    "run.json",
  ]);
  const lines = new TextDecoder().decode(files["rollouts.jsonl"]).split("\n");
  lines[1] = '{"type":"rollout"}';
  const short = decodeRunArchive(zipSync({ ...files, "rollouts.jsonl": strToU8(lines.join("\n")) }));
  expect(short.rollouts).toEqual([rollouts[1]]);
  expect(short.problems).toMatchObject([
    { code: "import/archive", row: null },
    { code: "import/archive", row: 2, byte: lines[0]!.length + 1 },
  ]);
  const { "spans.arrow": _table, ...rest } = files;
  expect(_table).toBeDefined();
  expect(decodeRunArchive(zipSync(rest)).problems[0]!.message).toBe("spans.arrow: it is missing.");
  const cut = decodeRunArchive(encodeRunArchive(archive).subarray(0, 500));
  expect(cut.problems).toHaveLength(1);
});

test("an archive that says it is immense is not unpacked", () => {
  const bytes = encodeRunArchive(archive);
  const view = new DataView(bytes.buffer);
  // Uncompressed sizes of the central directory.
  for (let at = 0; at < bytes.length - 4; at++) {
    if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 24, 0x7fffffff, true);
  }
  expect(decodeRunArchive(bytes).problems[0]!.message).toContain("would unpack to");
});

const examples: ChatExample[] = [
  {
    messages: [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Ho \ud800" },
    ],
    tools: null,
  },
  {
    messages: [
      { role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
      },
    ],
    tools: [{ type: "function", function: { name: "f", description: "", parameters: {} } }],
  },
];

test("fine-tuning examples come back; a line that is none is named", () => {
  const text = encodeFineTuning(examples);
  expect(decodeFineTuning(text)).toEqual({ items: examples, problems: [] });
  const bad = [
    "{",
    "[]",
    '{"messages":[]}',
    '{"messages":[{"role":"user","content":"x"}]}',
    '{"messages":[{"role":"boss","content":"x"}]}',
    '{"messages":[{"role":"assistant"}]}',
    '{"messages":[{"role":"tool","content":"x"},{"role":"assistant","content":"y"}]}',
  ];
  const { items, problems } = decodeFineTuning(text + bad.join("\n") + "\n\n" + text);
  expect(items).toHaveLength(4);
  expect(problems.map(({ line }) => line)).toEqual([3, 4, 5, 6, 7, 8, 9]);
  expect(problems[1]!.byte).toBe(new TextEncoder().encode(`${text}{\n`).length);
});

test("a wrong line of rollouts is named with its byte, and the others are read", () => {
  const text = encodeRolloutLines({ rollouts, spans: samples(2) });
  const lines = text.split("\n");
  const wrong = [
    lines[0]!,
    lines[1]!.replace('"number":0', '"number":-1'),
    lines[2]!,
    '{"type":"attempt"}',
    '{"type":"span","sequence":{"$":"what"}}',
    lines[4]!.replace(/"sequence":\d+/, '"sequence":0.5'),
    "é{",
    lines[3]!,
  ];
  const read = decodeRolloutLines(wrong.join("\n"));
  expect(read.rollouts).toEqual([rollouts[1]]);
  expect(read.spans).toHaveLength(1);
  expect(read.problems.map(({ row }) => row).sort()).toEqual([2, 4, 5, 6, 7]);
  const last = read.problems.find(({ row }) => row === 7)!;
  expect(last.byte).toBe(new TextEncoder().encode(wrong.slice(0, 6).join("\n")).length + 1);
  expect(
    decodeRolloutLines('{"type":"format","format":"fulgurite.rollouts","version":9}').problems,
  ).toHaveLength(1);
});

test("a table with other columns, or a row that is no span, is said", () => {
  const spans = samples(3).map((span, i) => ({ ...span, sequence: i === 1 ? -5 : i }));
  const { items, problems } = decodeSpanTable(encodeSpanTable(spans));
  expect(items.map(({ sequence }) => sequence)).toEqual([0, 2]);
  expect(problems).toMatchObject([{ code: "import/arrow", row: 2 }]);
  expect(decodeSpanTable(strToU8("ARROW1 but no more")).problems).toHaveLength(1);
  expect(decodeSpanTable(new Uint8Array()).problems).toHaveLength(1);
});

test("a file is known by its bytes", () => {
  const spans = samples(2);
  const files = {
    archive: encodeRunArchive(archive),
    arrow: encodeSpanTable(spans),
    "otlp-json": strToU8(encodeOtlpJson(spansToOtlp(spans))),
    "otlp-protobuf": encodeOtlpProtobuf(spansToOtlp(spans)),
    rollouts: strToU8(encodeRolloutLines({ rollouts, spans })),
    "fine-tuning": strToU8(encodeFineTuning(examples)),
  };
  for (const [kind, bytes] of Object.entries(files)) {
    expect(fileKind(bytes)).toBe(kind);
    const read = importFile(bytes, "01R");
    expect(read.problems).toEqual([]);
    expect(read.spans).toHaveLength(kind === "archive" ? 30 : kind === "fine-tuning" ? 0 : 2);
  }
  expect(importFile(strToU8('{"resourceSpans":"\ufffd"}'), "x").problems.length).toBeGreaterThan(0);
  const latin = Uint8Array.from([...strToU8('{"messages":[]}\n"caf'), 0xe9, 0x22]);
  expect(importFile(latin, "x").problems[0]).toMatchObject({ code: "import/encoding", byte: 20 });
});
