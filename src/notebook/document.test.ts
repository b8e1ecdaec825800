import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FulguriteError } from "../gpu/error.ts";
import { random4 } from "../kernels/philox.ts";
import { joinDocument, parseDocument, replaceSource, titleOf } from "./document.ts";

const cartpole = readFileSync(new URL("../../notebooks/cartpole.nb.ts", import.meta.url), "utf8");

const errorOf = (text: string): FulguriteError => {
  try {
    parseDocument(text);
  } catch (error) {
    if (error instanceof FulguriteError) return error;
  }
  throw new Error("parsed");
};

describe("parseDocument", () => {
  it("reads cells, kinds, flags, lines and the title", () => {
    const text = [
      "// fulgurite: 1",
      'import { train } from "fulgurite";',
      "",
      "// %% [md] intro fold",
      "/*",
      "# A *title*",
      "",
      "text",
      "*/",
      "",
      "// %% lr",
      "",
      "export const lr = 1;",
      "",
      "// %% [test] check lazy hidden",
    ].join("\n");
    const document = parseDocument(text);
    expect(
      document.cells.map(({ id, kind, flags, source, line }) => [id, kind, flags, source, line]),
    ).toEqual([
      ["intro", "md", ["fold"], "# A *title*\n\ntext", 6],
      ["lr", "code", [], "export const lr = 1;", 13],
      ["check", "test", ["lazy", "hidden"], "", 15],
    ]);
    expect(titleOf(document)).toBe("A title");
    expect(joinDocument(document)).toBe(text);
  });

  it.each([
    ["no header", "const a = 1;\n", "notebook/header", 1],
    ["a newer version", "// fulgurite: 2\n", "notebook/version", 1],
    ["code above the first cell", "// fulgurite: 1\n\nconst a = 1;\n// %% b\n", "notebook/preamble", 3],
    ["an unknown kind", "// fulgurite: 1\n// %% [py] a\n", "notebook/marker", 2],
    ["an unknown flag", "// fulgurite: 1\n\n// %% a lazzy\n", "notebook/marker", 3],
    ["an id that is none", "// fulgurite: 1\n// %% 1a\n", "notebook/marker", 2],
    ["a marker without a space", "// fulgurite: 1\n// %%a\n", "notebook/marker", 2],
    ["an id given twice", "// fulgurite: 1\n// %% a\n\n// %% a\n", "notebook/duplicate-id", 4],
    ["markdown outside a comment", "// fulgurite: 1\n// %% [md] a\n# b\n", "notebook/markdown", 2],
    ["code after a comment", "// fulgurite: 1\n// %% [md] a\n/* b */ c /* d */\n", "notebook/markdown", 2],
  ])("refuses %s, with its line", (_, text, code, line) => {
    expect(errorOf(text)).toMatchObject({ code, line });
  });
});

describe("byte-exactness", () => {
  const crlf = cartpole.replaceAll("\n", "\r\n");

  it.each([
    ["the shipped notebook", cartpole],
    ["the same with CRLF", crlf],
    ["a byte order mark", `\uFEFF${cartpole}`],
    ["no newline at the end", cartpole.trimEnd()],
    ["a bare header", "// fulgurite: 1"],
    ["a marker at the very end", "// fulgurite: 1\n// %% [md] a"],
  ])("joins %s to the same text", (_, text) => {
    expect(joinDocument(parseDocument(text))).toBe(text);
  });

  it("survives random edits: the edited cell reads back as typed, every other byte stays", () => {
    const words = new Uint32Array(4);
    const pieces = [
      "a",
      "\n",
      "\r\n",
      " ",
      "// %% x\n",
      "*/",
      "/*",
      "# h\n",
      "`",
      "const q = 1;",
      "\t",
      "é",
      "",
    ];
    for (const start of [cartpole, crlf, "// fulgurite: 1\n// %% a\n// %% [md] m\n// %% [test] t"]) {
      let document = parseDocument(start);
      for (let step = 0; step < 400; step++) {
        random4(7, 0, step, 0, words);
        const index = words[0]! % document.cells.length;
        const { id } = document.cells[index]!;
        let typed = "";
        for (let i = 0; i < words[1]! % 8; i++) {
          random4(7, 1, step, i, words);
          typed += pieces[words[0]! % pieces.length]!;
        }
        const before = document;
        document = replaceSource(document, id, typed);
        const text = joinDocument(document);
        const read = parseDocument(text);
        expect(read.cells.map((cell) => cell.id)).toEqual(before.cells.map((cell) => cell.id));
        const plain = (source: string): string =>
          source
            .replace(/\r\n?/g, "\n")
            .replace(/^\/\/ {2}%%/gm, "// %%")
            .replaceAll("* /", "*/")
            .trim();
        expect(plain(read.cells[index]!.source)).toBe(plain(typed));
        for (const [i, cell] of read.cells.entries()) {
          expect(cell.line - document.cells[i]!.line).toBeGreaterThanOrEqual(0);
          if (i !== index) expect(cell.source.trim()).toBe(before.cells[i]!.source.trim());
        }
        if (start === crlf) expect(text.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
      }
    }
  });

  it("keeps trailing spaces while typing, and lines after an edit", () => {
    const document = replaceSource(parseDocument(cartpole), "pole", "const a = 1;\n\n");
    const cell = document.cells.find(({ id }) => id === "pole")!;
    expect(cell.source).toBe("const a = 1;\n\n");
    const reward = document.cells.find(({ id }) => id === "reward")!;
    expect(joinDocument(document).split("\n")[reward.line - 1]).toContain("defineReward.step");
  });
});
