import { FulguriteError } from "../gpu/error.ts";
import type { CellKind } from "./session-types.ts";

export type CellFlag = "lazy" | "fold" | "hidden" | "readonly";

/** One cell as slices of the file: `marker + prefix + source + suffix` is its text, byte for byte. */
export interface DocumentCell {
  readonly id: string;
  readonly kind: CellKind;
  readonly flags: readonly CellFlag[];
  /** The `// %% ...` line with its line ending. */
  readonly marker: string;
  /** Blank lines before the source; of a markdown cell also the opening of its block comment. */
  readonly prefix: string;
  /** The code, or the markdown inside the block comment. Line endings as in the file. */
  readonly source: string;
  readonly suffix: string;
  /** 1-based line of the file on which `source` begins. */
  readonly line: number;
}

/**
 * A notebook file, `*.nb.ts`: plain TypeScript that `tsc`, ESLint and git understand.
 *
 *     // fulgurite: 1
 *     import { cartPole } from "fulgurite";
 *     // %% [md] intro
 *     /*
 *     # Title
 *     *\/
 *     // %% pole
 *     export const pole = cartPole();
 *     // %% train lazy
 *
 * A line that starts with `// %%` begins a cell wherever it stands. The preamble above the first cell holds
 * the version header, comments, and imports from "fulgurite", which cells have in scope with or without it.
 */
export interface NotebookDocument {
  readonly version: 1;
  readonly preamble: string;
  readonly cells: readonly DocumentCell[];
  /** What new lines are written with; the file's first line ending. */
  readonly eol: "\n" | "\r\n";
}

const FLAGS: readonly string[] = ["lazy", "fold", "hidden", "readonly"];
const KINDS: readonly string[] = ["code", "md", "test"];
const MARKER_LINE = /^\/\/ %%.*$/gm;
const MARKER = /^\/\/ %%(?:[ \t]+\[([^\]]*)\])?(?:[ \t]+(\S+))?(?:[ \t]+(.*?))?[ \t]*$/;
const ID = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
const PREAMBLE_IMPORT = /^import\s+(?:type\s+)?\{[\w\s,$]*\}\s+from\s+(["'])fulgurite\1\s*;?/;

const countLines = (text: string): number => text.split("\n").length - 1;

/** Parses `.nb.ts` text; `joinDocument` gives the same text back. Throws `FulguriteError` with the file's line. */
export function parseDocument(text: string): NotebookDocument {
  const starts = [...text.matchAll(MARKER_LINE)].map((match) => match.index);
  const preamble = text.slice(0, starts[0] ?? text.length);
  checkPreamble(preamble);
  const cells: DocumentCell[] = [];
  const lineOfId = new Map<string, number>();
  let line = 1 + countLines(preamble);
  for (const [index, start] of starts.entries()) {
    const cellText = text.slice(start, starts[index + 1] ?? text.length);
    const cell = parseCell(cellText, line, index);
    const first = lineOfId.get(cell.id);
    if (first !== undefined) {
      throw new FulguriteError(
        "notebook/duplicate-id",
        `Two cells are called \`${cell.id}\`: on line ${first} and on line ${line}.`,
        "Give one of them another id in its `// %%` line.",
        { line },
      );
    }
    lineOfId.set(cell.id, line);
    cells.push(cell);
    line += countLines(cellText);
  }
  return { version: 1, preamble, cells, eol: /\r?\n/.exec(text)?.[0] === "\r\n" ? "\r\n" : "\n" };
}

const joined = new WeakMap<NotebookDocument, string>();

/** The document as text; a document is never changed, so this is made once. */
export function joinDocument(document: NotebookDocument): string {
  const known = joined.get(document);
  if (known !== undefined) return known;
  const text = document.preamble + document.cells.map(cellText).join("");
  joined.set(document, text);
  return text;
}

const cellText = (cell: DocumentCell): string => cell.marker + cell.prefix + cell.source + cell.suffix;

/**
 * The document with one cell's source replaced; every other byte stays. What would end the cell is made
 * harmless by a space: a line `// %%` becomes `//  %%`, in markdown the sign for the end of a comment becomes `* /`.
 * Throws `FulguriteError` where there is no such cell.
 */
export function replaceSource(document: NotebookDocument, id: string, source: string): NotebookDocument {
  const { eol } = document;
  const index = document.cells.findIndex((cell) => cell.id === id);
  const old = document.cells[index];
  if (!old) {
    throw new FulguriteError("notebook/no-cell", `There is no cell \`${id}\`.`, "Use the id of a cell.");
  }
  let written = source.replace(/\r\n?|\n/g, eol).replace(/^\/\/ %%/gm, "//  %%");
  let { marker, prefix, suffix } = old;
  if (!marker.endsWith("\n")) marker += eol;
  if (old.kind === "md") {
    written = written.replaceAll("*/", "* /");
    if (!prefix.includes("/*")) [prefix, suffix] = [`/*${eol}`, `${eol}*/${suffix || eol}`];
    // Markdown that begins with a list star right after `/*` would make a `/**` comment.
    if (prefix.endsWith("/*")) prefix += eol;
    if (suffix.startsWith("*/")) suffix = eol + suffix;
  } else if (!/^\r?\n/.test(suffix)) {
    suffix = eol + suffix;
  }
  const cells = [...document.cells];
  cells[index] = { ...old, marker, prefix, source: written, suffix };
  return { ...document, cells: withLines(document.preamble, cells) };
}

/** The first heading of the first markdown cell that has one, or null. */
export function titleOf(document: NotebookDocument): string | null {
  for (const cell of document.cells) {
    if (cell.kind !== "md") continue;
    const heading = /^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*\r?$/m.exec(cell.source)?.[1];
    if (heading) return heading.replace(/[*_`]/g, "");
  }
  return null;
}

function withLines(preamble: string, cells: readonly DocumentCell[]): DocumentCell[] {
  let line = 1 + countLines(preamble);
  return cells.map((cell) => {
    const at = line + countLines(cell.marker + cell.prefix);
    line += countLines(cellText(cell));
    return at === cell.line ? cell : { ...cell, line: at };
  });
}

function parseCell(text: string, line: number, index: number): DocumentCell {
  const end = text.indexOf("\n");
  const marker = end < 0 ? text : text.slice(0, end + 1);
  const { kind, id, flags } = parseMarker(marker.trimEnd(), line, index);
  const body = text.slice(marker.length);
  const slices = kind === "md" ? markdownSlices(body, line) : codeSlices(body);
  return { id, kind, flags, marker, ...slices, line: line + countLines(marker + slices.prefix) };
}

function parseMarker(
  text: string,
  line: number,
  index: number,
): { kind: CellKind; id: string; flags: CellFlag[] } {
  const malformed = (message: string, fix: string): never => {
    throw new FulguriteError("notebook/marker", message, fix, { line });
  };
  const match = MARKER.exec(text);
  if (!match) return malformed("This cell marker cannot be read.", "Write it as `// %% [kind] id flags`.");
  const kind = match[1] ?? "code";
  if (!KINDS.includes(kind)) {
    malformed(`There is no cell kind \`${kind}\`.`, "Use [code], [md] or [test], or leave it out for code.");
  }
  const id = match[2] ?? `cell-${index + 1}`;
  if (!ID.test(id)) {
    malformed(
      `\`${id}\` cannot be a cell's id.`,
      "Use up to 64 letters, digits, `-` and `_`, a letter first.",
    );
  }
  const flags = (match[3] ?? "").split(/[ \t]+/).filter(Boolean);
  const unknown = flags.find((flag) => !FLAGS.includes(flag));
  if (unknown !== undefined) {
    malformed(`There is no cell flag \`${unknown}\`.`, "The flags are lazy, fold, hidden and readonly.");
  }
  return { kind: kind as CellKind, id, flags: flags as CellFlag[] };
}

interface Slices {
  readonly prefix: string;
  readonly source: string;
  readonly suffix: string;
}

function codeSlices(body: string): Slices {
  const source = body.trimEnd();
  if (source === "") return { prefix: "", source: "", suffix: body };
  const prefix = /^(?:[ \t]*\r?\n)*/.exec(source)?.[0] ?? "";
  return { prefix, source: source.slice(prefix.length), suffix: body.slice(source.length) };
}

function markdownSlices(body: string, line: number): Slices {
  if (body.trim() === "") return { prefix: "", source: "", suffix: body };
  const prefix = /^\s*\/\*(?:[ \t]*\r?\n)?/.exec(body)?.[0];
  const suffix = /(?:\r?\n)?[ \t]*\*\/\s*$/.exec(body.slice(prefix?.length ?? 0))?.[0];
  const source = body.slice(prefix?.length ?? 0, body.length - (suffix?.length ?? 0));
  if (prefix === undefined || suffix === undefined || source.includes("*/")) {
    throw new FulguriteError(
      "notebook/markdown",
      "A markdown cell is one block comment and nothing else.",
      "Put all of its text between `/*` and `*/`.",
      { line },
    );
  }
  return { prefix, source, suffix };
}

function checkPreamble(preamble: string): void {
  const header = /^\uFEFF?\/\/ fulgurite: (\d+)[ \t]*(?:\r?\n|$)/.exec(preamble);
  if (!header) {
    throw new FulguriteError(
      "notebook/header",
      "This is not a notebook: its first line is not `// fulgurite: 1`.",
      "Open a `.nb.ts` file, or add that line at the top.",
      { line: 1 },
    );
  }
  if (header[1] !== "1") {
    throw new FulguriteError(
      "notebook/version",
      `This notebook is of version ${header[1]}; this page reads version 1.`,
      "Open it with a newer Fulgurite.",
      { line: 1 },
    );
  }
  let rest = preamble.slice(header[0].length);
  for (;;) {
    const skipped = /^(?:\s+|\/\/[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)/.exec(rest) ?? PREAMBLE_IMPORT.exec(rest);
    if (!skipped) break;
    rest = rest.slice(skipped[0].length);
  }
  if (rest !== "") {
    throw new FulguriteError(
      "notebook/preamble",
      'Above the first cell there may only be comments and imports by name from "fulgurite".',
      "Put a line `// %% name` above this code to make it a cell.",
      { line: 1 + countLines(preamble.slice(0, preamble.length - rest.length)) },
    );
  }
}
