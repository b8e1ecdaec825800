import { importProblem, messageOf, type Imported, type ImportProblem } from "./import-problem.ts";

/** One JSON value, and where it stood. */
export interface JsonLine {
  readonly value: unknown;
  /** From 1. */
  readonly line: number;
  /** Offset of its first byte, in UTF-8. */
  readonly byte: number;
}

const encoder = new TextEncoder();

/** Bytes of a text in UTF-8. */
export const byteLength = (text: string): number => encoder.encode(text).length;

/** The file as text; a byte order mark is left out. Bytes that are no UTF-8 are a problem, and read as U+FFFD. */
export function textOfFile(bytes: Uint8Array): {
  readonly text: string;
  readonly problems: readonly ImportProblem[];
} {
  const text = new TextDecoder("utf-8").decode(bytes);
  if (!text.includes("\uFFFD")) return { text, problems: [] };
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { text, problems: [] };
  } catch {
    const byte = firstBadByte(bytes);
    const fix = "Save it as UTF-8; what could not be read stands as �.";
    return {
      text,
      problems: [importProblem("encoding", `Byte ${byte} of the file is no UTF-8.`, fix, { byte })],
    };
  }
}

/** Where the first character that is none begins. */
function firstBadByte(bytes: Uint8Array): number {
  const reads = (length: number, stream: boolean): boolean => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length), { stream });
      return true;
    } catch {
      return false;
    }
  };
  let good = 0;
  let bad = bytes.length;
  while (good + 1 < bad) {
    const middle = (good + bad) >> 1;
    if (reads(middle, true)) good = middle;
    else bad = middle;
  }
  while (good > 0 && !reads(good, false)) good--;
  return good;
}

/**
 * A file with one JSON value a line; empty lines are passed over. A line that is none is a problem with its number and
 * byte, and the others are kept. `what` says what each line should be.
 */
export function parseJsonLines(text: string, code: string, what: string): Imported<JsonLine> {
  const items: JsonLine[] = [];
  const problems: ImportProblem[] = [];
  let byte = 0;
  text.split("\n").forEach((source, i) => {
    const line = i + 1;
    const start = byte;
    byte += byteLength(source) + 1;
    if (source.trim() === "") return;
    try {
      items.push({ value: JSON.parse(source) as unknown, line, byte: start });
    } catch (error) {
      const message = `Line ${line} is not ${what}: ${messageOf(error)}.`;
      const fix = "Correct the line, or leave it out; the other lines were read.";
      problems.push(importProblem(code, message, fix, { byte: start, row: line, line }));
    }
  });
  return { items, problems };
}

/** A file that is one JSON value, or has one a line. */
export function parseJsonOrLines(text: string, code: string, what: string): Imported<JsonLine> {
  try {
    return { items: [{ value: JSON.parse(text) as unknown, line: 1, byte: 0 }], problems: [] };
  } catch (error) {
    const lines = parseJsonLines(text, code, what);
    if (lines.items.some(({ value }) => typeof value === "object" && value !== null)) return lines;
    const message = `The file is not ${what}: ${messageOf(error)}.`;
    return { items: [], problems: [importProblem(code, message, "Export it again.", { byte: 0, row: 1 })] };
  }
}
