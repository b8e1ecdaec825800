import { tableFromIPC } from "apache-arrow";
import { expect, test } from "vitest";
import { agenticUpdate } from "../../test/store/agentic-batch.ts";
import { updates } from "../../test/store/contract.ts";
import type { Span } from "./records.ts";
import { decodeSegment, encodeSegment } from "./segment.ts";
import { packGroup, unpackGroup } from "./tail-group.ts";
import { decodeTexts, encodeTexts, longTextKeys } from "./text-chunks.ts";
import { decodeTokens, encodeTokens } from "./token-chunks.ts";

const rows = updates("r", 1, 101).map((span, i) =>
  i === 50 ? { ...span, attributes: { ...span.attributes, rare: 1, note: "x" } } : span,
);

test("a segment is an Arrow stream that any reader opens", () => {
  const table = tableFromIPC(encodeSegment(rows));
  expect(table.numRows).toBe(101);
  expect(table.schema.metadata.get("fulgurite.segment")).toBe("3");
  expect(table.getChild("name")!.get(100)).toBe("fulgurite.update");
  expect(table.getChild("parentId")!.get(0)).toBeNull();
  expect(table.getChild("sequence")!.get(100)).toBe(202);
  expect(table.getChild("attributes.entropy")!.get(99)).toBe(10);
  expect(table.getChild("attributes.rare")).toBeNull();
  expect(table.getChild("attributes")!.get(50)).toBe('{"rare":1,"note":"x"}');
});

test("a number that most rows carry is read without a copy", () => {
  const columns = decodeSegment(encodeSegment(rows));
  expect(columns.numbers("entropy").buffer).toBe(columns.numbers("update").buffer);
  expect(columns.numbers("entropy")).toHaveLength(101);
  expect(columns.numbers("rare")[50]).toBe(1);
  expect(columns.sequence).toHaveLength(101);
});

test("the same rows give the same bytes", () => {
  expect(encodeSegment(rows)).toEqual(encodeSegment(rows));
});

const traced = agenticUpdate("r", 1, 40).spans;
const withTokens = (ids: number[], plain: number[], sampler = plain): Span => ({
  ...traced[0]!,
  tokens: {
    promptIds: Int32Array.from(ids),
    responseIds: Int32Array.from(plain, (_, i) => i),
    samplerLogProbabilities: Float32Array.from(sampler),
    logProbabilities: Float32Array.from(plain),
  },
});

test("a chunk of tokens is an Arrow stream with ids as narrow as they fit", () => {
  const cases = [
    { ids: [0, 255], type: "Uint8" },
    { ids: [256, 65_535], type: "Uint16" },
    { ids: [65_536], type: "Int32" },
    { ids: [-1, 7], type: "Int32" },
  ];
  for (const { ids, type } of cases) {
    const span = withTokens(ids, [-1, Number.NaN, -0]);
    const [chunk] = encodeTokens([traced[0]!, span]);
    const table = tableFromIPC(chunk!.bytes);
    expect(String(table.schema.fields.find(({ name }) => name === "promptIds")!.type)).toBe(`List<${type}>`);
    expect(table.getChild("samplerLogProbabilities")).toBeNull();
    expect(decodeTokens(chunk!.bytes).at(1)).toEqual(span.tokens);
    expect(decodeTokens(chunk!.bytes).at(0)).toBeUndefined();
  }
});

test("log-probabilities of the sampler are kept where they differ in any bit", () => {
  const span = withTokens([1], [-1, 0], [-1, -0]);
  const [chunk] = encodeTokens([span]);
  expect(decodeTokens(chunk!.bytes).at(0)).toEqual(span.tokens);
  expect(Object.is(decodeTokens(chunk!.bytes).at(0)!.samplerLogProbabilities[1], -0)).toBe(true);
});

test("tokens are cut into chunks of which each row is in one", () => {
  const many = Array.from({ length: 300 }, (_, row) =>
    row % 3 === 0
      ? traced[0]!
      : withTokens(
          Array.from({ length: 800 }, (_, i) => row + i),
          [-row],
        ),
  );
  const chunks = encodeTokens(many);
  expect(chunks.length).toBeGreaterThan(1);
  many.forEach((span, row) => {
    const holding = chunks.findLast(({ firstRow }) => firstRow <= row);
    expect(holding && decodeTokens(holding.bytes).at(row)).toEqual(span.tokens);
  });
});

test("long texts lie apart from the hot columns, letter for letter", () => {
  const long = traced.map((span, i) => ({
    ...span,
    attributes: { ...span.attributes, prompt: `${"\ud800 ö\u0000 ".repeat(60)}${i}`, short: "s" },
  }));
  const keys = longTextKeys(long);
  expect([...keys]).toEqual(["prompt"]);
  const hot = decodeSegment(encodeSegment(long, keys));
  expect(hot.spanAt(3).attributes).not.toHaveProperty("prompt");
  const chunks = encodeTexts(long, keys);
  expect(decodeTexts(chunks[0]!.bytes).at(3)).toEqual({ prompt: long[3]!.attributes.prompt });
});

test("a group of the tail gives its spans back, tokens and odd numbers included", () => {
  const odd = { ...traced[0]!, attributes: { a: Number.NaN, b: -0, c: -Infinity, d: null, e: "\ud800" } };
  const spans = [...traced.slice(0, 5), odd, withTokens([], [])];
  expect(unpackGroup(structuredClone(packGroup(spans)))).toEqual(spans);
  expect(unpackGroup({ rows: spans })).toEqual(spans);
});
