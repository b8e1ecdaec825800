import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FulguriteError } from "../gpu/error.ts";
import { random4 } from "../kernels/philox.ts";
import { joinDocument, parseDocument } from "./document.ts";
import { applyStructure, firstDifference, type StructureEdit } from "./structure.ts";

const strings = readFileSync(new URL("../../notebooks/strings.nb.ts", import.meta.url), "utf8");

const small = `// fulgurite: 1
// %% [md] intro
/*
# Title
*/

// %% a
export const a = 1;
export const b = 2;

// %% b lazy
use(a);
`;

const edit = (text: string, change: StructureEdit): { text: string; cell: string | null } => {
  const { document, cell } = applyStructure(parseDocument(text), change);
  return { text: joinDocument(document), cell };
};

describe("applyStructure", () => {
  it("adds a cell where it is asked for and leaves every other byte", () => {
    const { text, cell } = edit(small, { kind: "insert", at: 1, cell: "md", source: "Hello" });
    expect(cell).toBe("cell-1");
    expect(text).toBe(small.replace("// %% a\n", "// %% [md] cell-1\n/*\nHello\n*/\n\n// %% a\n"));
  });

  it("separates a cell added at the end from the last one", () => {
    const { text } = edit(small, { kind: "insert", at: 99, cell: "code", id: "last", source: "c();" });
    expect(text).toBe(`${small}\n// %% last\nc();\n`);
  });

  it("deletes, and shows the cell that takes the place", () => {
    const { text, cell } = edit(small, { kind: "delete", id: "a" });
    expect(cell).toBe("b");
    expect(text).toBe(small.replace(/\/\/ %% a\n[^%]*(?=\/\/ %% b)/, ""));
    expect(edit(small, { kind: "delete", id: "b" }).cell).toBe("a");
  });

  it("splits at the caret, and merging gives the same source again", () => {
    const split = edit(small, { kind: "split", id: "a", at: 20 });
    expect(split.cell).toBe("a-2");
    expect(split.text).toContain(
      "// %% a\nexport const a = 1;\n\n// %% a-2\nexport const b = 2;\n\n// %% b lazy",
    );
    expect(edit(split.text, { kind: "merge", id: "a" }).text).toBe(small);
  });

  it("keeps the flags of a cell that it duplicates, moves or renames", () => {
    expect(edit(small, { kind: "duplicate", id: "b" }).text).toContain("\n// %% b-2 lazy\nuse(a);\n");
    expect(edit(small, { kind: "move", id: "b", to: 0 }).text).toMatch(
      /^\/\/ fulgurite: 1\n\/\/ %% b lazy\n/,
    );
    expect(edit(small, { kind: "rename", id: "b", to: "uses" }).text).toContain("// %% uses lazy\n");
    const flagged = edit(small, { kind: "flag", id: "b", flag: "fold", on: true }).text;
    expect(flagged).toContain("// %% b lazy fold\n");
    expect(edit(flagged, { kind: "flag", id: "b", flag: "fold", on: false }).text).toBe(small);
  });

  it("turns text to code and back without losing a word", () => {
    const code = edit(small, { kind: "kind", id: "intro", cell: "code" }).text;
    expect(code).toContain("// %% intro\n# Title\n");
    expect(edit(code, { kind: "kind", id: "intro", cell: "md" }).text).toBe(small);
  });

  it("writes down an id that was only a place before it moves the cell", () => {
    const { document } = applyStructure(parseDocument("// fulgurite: 1\n// %%\na;\n// %%\nb;\n"), {
      kind: "move",
      id: "cell-2",
      to: 0,
    });
    expect(document.cells.map(({ id, source }) => [id, source])).toEqual([
      ["cell-2", "b;"],
      ["cell-1", "a;"],
    ]);
  });

  it.each<[string, StructureEdit]>([
    ["a cell that is not there", { kind: "delete", id: "no" }],
    ["a name that is taken", { kind: "rename", id: "a", to: "b" }],
    ["a name that is none", { kind: "rename", id: "a", to: "1 2" }],
    ["an empty half", { kind: "split", id: "a", at: 0 }],
    ["text with code", { kind: "merge", id: "intro" }],
    ["nothing below", { kind: "merge", id: "b" }],
  ])("refuses %s", (_, change) => {
    expect(() => edit(small, change)).toThrow(FulguriteError);
  });

  it("keeps 300 random edits a document that reads as it was written", () => {
    let document = parseDocument(strings);
    let draws = 0;
    const words = new Uint32Array(4);
    const draw = (below: number): number => {
      random4(7, 0, 0, draws++, words);
      return words[0]! % below;
    };
    for (let step = 0; step < 300; step++) {
      const count = document.cells.length;
      const cell = document.cells[draw(Math.max(count, 1))];
      const before = document;
      try {
        document = applyStructure(
          document,
          randomEdit(draw, cell?.id ?? "none", count, cell?.source),
        ).document;
      } catch (error) {
        if (!(error instanceof FulguriteError)) throw error;
        continue;
      }
      expect(parseDocument(joinDocument(document))).toEqual(document);
      const difference = firstDifference(before, document);
      if (joinDocument(before) !== joinDocument(document) && document.cells.length > 0) {
        expect(document.cells.map(({ id }) => id)).toContain(difference);
      }
    }
    expect(draws).toBeGreaterThan(600);
  });
});

function randomEdit(
  draw: (below: number) => number,
  id: string,
  count: number,
  source: string | undefined,
): StructureEdit {
  const kinds = ["code", "md", "test"] as const;
  switch (draw(8)) {
    case 0:
      return { kind: "insert", at: draw(count + 1), cell: kinds[draw(3)]!, source: "x = 1;\r\n// %% no\n*/" };
    case 1:
      return { kind: "delete", id };
    case 2:
      return { kind: "duplicate", id };
    case 3:
      return { kind: "move", id, to: draw(count + 1) };
    case 4:
      return { kind: "split", id, at: draw((source ?? "").length + 1) };
    case 5:
      return { kind: "merge", id };
    case 6:
      return { kind: "flag", id, flag: "fold", on: draw(2) === 0 };
    default:
      return { kind: "kind", id, cell: kinds[draw(3)]! };
  }
}
