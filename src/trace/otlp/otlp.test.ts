import { gunzipSync, gzipSync } from "fflate";
import fc from "fast-check";
import { expect, test } from "vitest";
import { anySpan } from "../../../test/support/arbitrary-spans.ts";
import type { Span } from "../../store/records.ts";
import { wholeImport } from "../import-problem.ts";
import { decodeOtlpJson, encodeOtlpJson } from "./json.ts";
import type { OtlpSpan } from "./model.ts";
import { decodeOtlpProtobuf, encodeOtlpProtobuf } from "./protobuf.ts";
import { readOtlpSpan, spansFromOtlp, spansToOtlp } from "./spans.ts";
import { WireReader, WireWriter } from "./wire.ts";

const call: Span = {
  spanId: "01R/7/1/1",
  traceId: "01R/7",
  parentId: "01R/7/1/0",
  runId: "01R",
  rolloutId: "01R/7",
  attemptId: "01R/7.1",
  sequence: 1,
  name: "chat policy",
  status: "error",
  startTime: 1_700_000_000_123.4568,
  endTime: 1_700_000_001_000,
  attributes: {
    "gen_ai.operation.name": "chat",
    "gen_ai.input.messages": "[]",
    n: 7,
    x: 0.5,
    ok: true,
    none: null,
  },
  tokens: {
    promptIds: Int32Array.of(1, 5),
    responseIds: Int32Array.of(7, 2),
    samplerLogProbabilities: Float32Array.of(-1, -0.25),
    logProbabilities: Float32Array.of(-1.5, -0.5),
  },
};

const throughJson = (spans: readonly Span[]): readonly Span[] =>
  wholeImport(spansFromOtlp(decodeOtlpJson(encodeOtlpJson(spansToOtlp(spans))), { runId: "other" }));
const throughProtobuf = (spans: readonly Span[]): readonly Span[] =>
  wholeImport(spansFromOtlp(decodeOtlpProtobuf(encodeOtlpProtobuf(spansToOtlp(spans))), { runId: "other" }));

test("any spans come back from OTLP as they were", () => {
  fc.assert(
    fc.property(fc.array(anySpan, { maxLength: 4 }), (spans) => {
      expect(throughJson(spans)).toEqual(spans);
      expect(throughProtobuf(spans)).toEqual(spans);
    }),
    { numRuns: 300, endOnFailure: true },
  );
});

test("the original's own names are on the wire, and its ids valid", () => {
  const [span] = spansToOtlp([call], { dialect: "agent-lightning" });
  expect(span!.name).toBe("openai.chat.completion");
  expect(span!.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(span!.spanId).toMatch(/^[0-9a-f]{16}$/);
  expect(span!.resource.attributes).toMatchObject({
    "agentlightning.rollout_id": "01R/7",
    "agentlightning.attempt_id": "01R/7.1",
  });
  expect(span!.attributes).toMatchObject({
    "agentlightning.span_sequence_id": 1,
    prompt_token_ids: [1, 5],
    response_token_ids: [7, 2],
    "logprobs.content": '[{"logprob":-1},{"logprob":-0.25}]',
  });
  expect(readOtlpSpan(span!)).toEqual(call);
});

test("the observability profile has no token ids and repeats messages for OpenInference's readers", () => {
  const spans = spansToOtlp([call], { profile: "observability" });
  const text = encodeOtlpJson(spans);
  expect(text).not.toContain("token_ids");
  expect(spans[0]!.attributes).toMatchObject({ "openinference.span.kind": "LLM", "input.value": "[]" });
  const { tokens, ...rest } = call;
  expect(tokens).toBeDefined();
  const imported = spansFromOtlp(decodeOtlpJson(text), { runId: "other" });
  expect(imported.items).toEqual([rest]);
  expect(imported.callsWithoutTokens).toBe(1);
});

/** Written by hand after the .proto files: one resource, one scope, one span with ids, name, times and `n = 7`. */
const handmade = Uint8Array.from(
  [
    ["0a41", "123f", "123d"],
    ["0a10", "01".repeat(16)],
    ["1208", "02".repeat(8)],
    ["2a04", "6f746c70"],
    ["39", "002a36e21d128017"],
    ["41", "002a36e21d128017"],
    ["4a07", "0a016e", "12021807"],
  ]
    .flat()
    .join("")
    .match(/../g)!,
  (byte) => Number.parseInt(byte, 16),
);

test("protobuf is OpenTelemetry's, field for field", () => {
  const [span] = wholeImport(decodeOtlpProtobuf(handmade));
  expect(span).toMatchObject({
    traceId: "01".repeat(16),
    spanId: "02".repeat(8),
    parentId: null,
    name: "otlp",
    attributes: { n: 7 },
    status: { code: "unset", message: "" },
  });
  expect(decodeOtlpProtobuf(gunzipSync(gzipSync(handmade))).items).toHaveLength(1);
});

test("identity comes from the span, then from its resource; a bad sequence counts as none", () => {
  const resource = {
    attributes: { "agentlightning.rollout_id": "r", "agentlightning.span_sequence_id": "12" },
    schemaUrl: "",
  };
  const scope = { name: "x", version: "", attributes: {} };
  const [base] = wholeImport(decodeOtlpProtobuf(handmade));
  const read = (attributes: OtlpSpan["attributes"]) =>
    readOtlpSpan({ ...base!, attributes, resource, scope });
  expect(read({})).toMatchObject({ rolloutId: "r", attemptId: null, sequence: 12 });
  expect(read({ "agentlightning.rollout_id": "own", "agentlightning.span_sequence_id": 3 })).toMatchObject({
    rolloutId: "own",
    sequence: 3,
  });
  for (const wrong of ["abc", -1, 1.5, "", true]) {
    expect(read({ "agentlightning.span_sequence_id": wrong }).sequence).toBeNull();
  }
});

test("spans without a sequence are numbered after those of their rollout that have one", () => {
  const numbered = { ...call, sequence: 4 };
  const [first] = spansToOtlp([numbered]);
  const attributes = { ...first!.attributes, "agentlightning.span_sequence_id": null };
  const without = { ...first!, attributes, spanId: "00000000000000aa" };
  const { items } = spansFromOtlp({ items: [without, first!, without], problems: [] }, { runId: "x" });
  expect(items.map(({ sequence }) => sequence)).toEqual([5, 4, 6]);
});

test("what our spans have no field for survives import and export", () => {
  const foreign = {
    resourceSpans: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] },
        scopeSpans: [
          {
            scope: { name: "openai", version: "1" },
            spans: [
              {
                traceId: "0AF7651916CD43DD8448EB211C80319C",
                spanId: "b7ad6b7169203331",
                name: "GET",
                kind: 3,
                traceState: "a=b",
                startTimeUnixNano: "1700000000123456789",
                endTimeUnixNano: 1700000001000000000,
                attributes: [
                  { key: "list", value: { arrayValue: { values: [{ intValue: 1 }, { stringValue: "b" }] } } },
                ],
                events: [
                  {
                    timeUnixNano: "5",
                    name: "exception",
                    attributes: [{ key: "exception.type", value: { stringValue: "E" } }],
                  },
                ],
                links: [{ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203332" }],
                status: { code: "STATUS_CODE_ERROR", message: "broke" },
              },
            ],
          },
        ],
      },
    ],
  };
  const { items } = spansFromOtlp(decodeOtlpJson(JSON.stringify(foreign)), { runId: "run" });
  expect(items[0]).toMatchObject({
    traceId: "0af7651916cd43dd8448eb211c80319c",
    status: "error",
    sequence: 0,
    attributes: {
      list: '[1,"b"]',
      "otel.status_description": "broke",
      "otel.span.kind": "CLIENT",
      "otel.trace_state": "a=b",
      "otel.scope.name": "openai",
      "otel.resource": '{"service.name":"shop"}',
    },
  });
  const [out] = spansToOtlp(items);
  expect(out).toMatchObject({ kind: 3, traceState: "a=b", status: { code: "error", message: "broke" } });
  expect(out!.events[0]).toMatchObject({
    name: "exception",
    time: 5n,
    attributes: { "exception.type": "E" },
  });
  expect(out!.links).toHaveLength(1);
  expect(throughProtobuf(items)).toEqual(items);
});

test("a broken span is named with its place and costs only itself", () => {
  const text = encodeOtlpJson(
    spansToOtlp([call, { ...call, spanId: "second" }, { ...call, spanId: "third" }]),
  );
  const bad = text.replace(/"spanId":"[0-9a-f]{16}"/g, (id, at: number) =>
    at > 900 && at < 2500 ? '"spanId":"zz"' : id,
  );
  const parsed = JSON.parse(bad) as { resourceSpans: { scopeSpans: { spans: { spanId: string }[] }[] }[] };
  parsed.resourceSpans[0]!.scopeSpans[0]!.spans[1]!.spanId = "zz";
  const json = decodeOtlpJson(JSON.stringify(parsed));
  expect(json.items.length).toBeGreaterThan(0);
  expect(json.problems.some(({ message, row }) => row === 2 && message.includes("spans[1].spanId"))).toBe(
    true,
  );

  const bytes = encodeOtlpProtobuf(spansToOtlp([call, { ...call, spanId: "second" }]));
  const name = new TextEncoder().encode("chat policy");
  const at = bytes.findIndex((_, i) => name.every((byte, k) => bytes[i + k] === byte));
  bytes[at] = 0xff;
  const wire = decodeOtlpProtobuf(bytes);
  expect(wire.items.map((item) => readOtlpSpan(item).spanId)).toEqual(["second"]);
  expect(wire.problems).toMatchObject([{ code: "import/otlp-protobuf", row: 1, byte: at }]);
});

test("a file that ends early keeps what came before", () => {
  const spans = Array.from({ length: 5 }, (_, i) => ({ ...call, rolloutId: `r${i}`, spanId: `s${i}` }));
  const bytes = encodeOtlpProtobuf(spansToOtlp(spans));
  const cut = decodeOtlpProtobuf(bytes.subarray(0, bytes.length - 20));
  expect(cut.items).toHaveLength(4);
  expect(cut.problems).toHaveLength(1);
  const lines = spans.map((span) => encodeOtlpJson(spansToOtlp([span]))).join("\n");
  const json = decodeOtlpJson(lines.slice(0, -20));
  expect(json.items).toHaveLength(4);
  expect(json.problems).toMatchObject([{ code: "import/otlp-json", row: 5, line: 5 }]);
  expect(json.problems[0]!.byte).toBe(lines.lastIndexOf("\n") + 1);
});

test("what is no trace at all is said, not thrown", () => {
  for (const text of [
    "",
    "{",
    "7",
    "null",
    "[]x",
    '{"spans":[]}',
    '{"resourceSpans":7}',
    '{"resourceSpans":[null]}',
  ]) {
    const { items, problems } = decodeOtlpJson(text);
    expect(items).toEqual([]);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]!.fix).not.toBe("");
  }
  expect(decodeOtlpJson('{"resourceSpans":[]}')).toEqual({ items: [], problems: [] });
  expect(decodeOtlpProtobuf(new Uint8Array())).toEqual({ items: [], problems: [] });
  expect(decodeOtlpProtobuf(new TextEncoder().encode('{"resourceSpans":[]}')).problems).toHaveLength(1);
  expect(() => wholeImport(decodeOtlpJson("{"))).toThrow("not an OTLP trace");
});

test("a text survives wherever the writer's buffer has to grow", () => {
  for (let before = 0; before < 3; before++) {
    const writer = new WireWriter();
    writer.bytes(1, new Uint8Array(before));
    for (let i = 0; i < 2000; i++) writer.text(2, "z");
    const reader = new WireReader(writer.finish());
    reader.tag();
    reader.skip(2);
    while (!reader.done) {
      expect(reader.tag()).toEqual({ field: 2, type: 2 });
      expect(reader.text()).toBe("z");
    }
  }
});
