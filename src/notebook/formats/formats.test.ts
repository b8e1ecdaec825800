import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkParsers, draws, fuzzText } from "../../../test/support/notebook-fuzz.ts";
import { joinDocument, parseDocument } from "../document.ts";
import {
  compose,
  fromIpynb,
  fromMarkdown,
  fromModule,
  migrate,
  readNotebookFile,
  toIpynb,
  toMarkdown,
  toModule,
} from "./index.ts";

const folder = new URL("../../../notebooks/", import.meta.url);
const shipped = readdirSync(folder)
  .filter((name) => name.endsWith(".nb.ts"))
  .map((name) => [name, readFileSync(new URL(name, folder), "utf8")] as const);
const texts = shipped.map(([, text]) => text);

const cells = (text: string): unknown =>
  parseDocument(text).cells.map(({ id, kind, flags, source }) => ({ id, kind, flags, source }));

describe.each(shipped)("%s", (_, text) => {
  it("joins to the same bytes, and comes back from .ipynb and Markdown", () => {
    expect(joinDocument(parseDocument(text))).toBe(text);
    expect(fromIpynb(toIpynb(text)).text).toBe(text);
    expect(cells(fromMarkdown(toMarkdown(text)).text)).toEqual(cells(text));
  });

  it("is a module without its markers", () => {
    const module = toModule(text);
    expect(module).not.toContain("%%");
    expect(module).toContain("await train(");
    expect(toModule(text, "js")).not.toMatch(/: (?:string|number)\b/);
  });
});

it("survives 400 bent texts in every parser", () => {
  const draw = draws(11);
  const seeds = [...texts, toIpynb(texts[0]!), toMarkdown(texts[1]!), toModule(texts[0]!)];
  for (let i = 0; i < 400; i++) checkParsers(fuzzText(draw, seeds).slice(0, 4_000));
});

describe("Jupyter", () => {
  it("keeps Python as text, says what it left out, and writes what a cell showed", () => {
    const python = JSON.stringify({
      cells: [
        { cell_type: "markdown", source: ["# A\n", "b"], attachments: {} },
        { cell_type: "code", source: "print('```')", outputs: [{ output_type: "stream" }] },
      ],
      metadata: { kernelspec: { language: "python" } },
      nbformat: 4,
    });
    const { text, notes } = fromIpynb(python);
    expect(parseDocument(text).cells.map(({ kind, source }) => [kind, source])).toEqual([
      ["md", "# A\nb"],
      ["md", "````python\nprint('```')\n````"],
    ]);
    expect(notes).toHaveLength(3);
    const shown = toIpynb(
      "// fulgurite: 1\n// %% a\n1\n",
      new Map([["a", { state: { kind: "done" }, outputs: [{ view: "text", stream: "out", text: "one" }] }]]),
    );
    expect(JSON.parse(shown)).toMatchObject({
      cells: [{ outputs: [{ output_type: "stream", name: "stdout", text: ["one\n"] }] }],
    });
  });

  it.each(["", "{", "[]", '{"cells": 1}'])("names what is wrong with %j", (text) => {
    expect(() => fromIpynb(text)).toThrow(expect.objectContaining({ code: "notebook/ipynb" }));
  });
});

it("makes cells of a stranger's Markdown and of a module", () => {
  const { text } = fromMarkdown("# T\n\n```ts\nconst a = 1;\n```\n\ntext\n\n```sh\nls\n```\n");
  expect(parseDocument(text).cells.map(({ kind, source }) => [kind, source])).toEqual([
    ["md", "# T"],
    ["code", "const a = 1;"],
    ["md", "text\n\n```sh\nls\n```"],
  ]);
  const module = fromModule("/*\n# T\n*/\nconst f = () => {\n/* inner */\nreturn 1;\n};\n").text;
  expect(parseDocument(module).cells.map(({ kind }) => kind)).toEqual(["md", "code"]);
});

it("makes ids of what cannot be one, and harmless what would end a cell", () => {
  const text = compose([
    { kind: "code", id: "1 bad", source: "a\n// %% no" },
    { kind: "md", id: "cell-1", source: "x */ y" },
    { kind: "md", id: "cell-1", source: "" },
  ]);
  expect(parseDocument(text).cells.map(({ id, source }) => [id, source])).toEqual([
    ["cell-2", "a\n//  %% no"],
    ["cell-1", "x * / y"],
    ["cell-3", ""],
  ]);
});

describe("versions", () => {
  it("goes through every version between, and leaves a newer one to the parser's word", () => {
    const steps = {
      0: (text: string) => text.replace("fulgurite: 0", "fulgurite: 1"),
      1: (text: string) => `${text.replace("fulgurite: 1", "fulgurite: 2")}two`,
    };
    expect(migrate("// fulgurite: 0\n", steps, 2)).toBe("// fulgurite: 2\ntwo");
    expect(migrate("// fulgurite: 7\n", steps, 2)).toBe("// fulgurite: 7\n");
    expect(() => migrate("// fulgurite: 0\n", {}, 1)).toThrow(
      expect.objectContaining({ code: "notebook/version" }),
    );
  });

  it("reads a percent script without a header", () => {
    const { text, format } = readNotebookFile(
      "old.ts",
      "const first = 1;\n// %% [markdown] About\n// # Title\n// text\n// %% code\nfirst + 1\n",
    );
    expect(format).toBe("older-notebook");
    expect(parseDocument(text).cells.map(({ kind, source }) => [kind, source])).toEqual([
      ["code", "const first = 1;"],
      ["md", "# Title\ntext"],
      ["code", "first + 1"],
    ]);
  });
});
