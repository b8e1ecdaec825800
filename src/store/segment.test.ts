import { tableFromIPC } from "apache-arrow";
import { expect, test } from "vitest";
import { updates } from "../../test/store/contract.ts";
import { decodeSegment, encodeSegment } from "./segment.ts";

const rows = updates("r", 1, 101).map((span, i) =>
  i === 50 ? { ...span, attributes: { ...span.attributes, rare: 1, note: "x" } } : span,
);

test("a segment is an Arrow stream that any reader opens", () => {
  const table = tableFromIPC(encodeSegment(rows));
  expect(table.numRows).toBe(101);
  expect(table.schema.metadata.get("fulgurite.segment")).toBe("2");
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
