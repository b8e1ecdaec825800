import { stripTypes } from "../analyze.ts";
import { parseDocument } from "../document.ts";
import { compose, HEADER, type ComposedCell, type Imported } from "./compose.ts";

/**
 * A notebook as a plain module: text as comments, code as it is, tests left out. It is `typescript` by default,
 * JavaScript where asked for. Lazy cells run where they stand, as everything does in a module.
 */
export function toModule(text: string, language: "ts" | "js" = "ts"): string {
  const { cells, preamble } = parseDocument(text);
  const head = preamble.slice(preamble.indexOf("\n") + 1).trim();
  const parts = cells.flatMap(({ kind, source }) => {
    const plain = source.replaceAll("\r\n", "\n").trim();
    if (kind === "test" || plain === "") return [];
    if (kind === "md") return [`/*\n${plain}\n*/`];
    return [language === "js" ? stripTypes(plain).trim() : plain];
  });
  const imports = language === "js" ? stripTypes(head).trim() : head;
  return `${[imports, ...parts].filter(Boolean).join("\n\n")}\n`;
}

const BLOCK = /^\/\*(?!\*)([\s\S]*?)\*\/[ \t]*$/gm;

/** A module as a notebook: block comments on lines of their own become text, what is between them code. */
export function fromModule(source: string): Imported {
  const text = source.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const cells: ComposedCell[] = [];
  let at = 0;
  const code = (until: number): void => {
    const part = text.slice(at, until).trim();
    if (part !== "") cells.push({ kind: "code", source: part });
  };
  for (const block of text.matchAll(BLOCK)) {
    // A comment inside a function is part of it.
    if (!isWhole(text.slice(at, block.index))) continue;
    code(block.index);
    cells.push({ kind: "md", source: block[1]!.trim() });
    at = block.index + block[0].length;
  }
  code(text.length);
  return { text: compose(cells, HEADER), notes: [] };
}

/** Whether a part of a module ends where a statement ends, going by its brackets. */
function isWhole(part: string): boolean {
  const bare = part.replace(/\/\*[\s\S]*?\*\/|\/\/.*|(["'`])(?:\\.|(?!\1)[^\\])*\1/g, "");
  return (
    [...bare].reduce(
      (depth, sign) => depth + ("([{".includes(sign) ? 1 : ")]}".includes(sign) ? -1 : 0),
      0,
    ) === 0
  );
}
