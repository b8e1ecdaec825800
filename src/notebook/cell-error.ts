import { FulguriteError, type ErrorData } from "../gpu/error.ts";
import { cellUrl } from "./evaluate.ts";

/** An error as a cell shows it; `error.line` is 1-based within the cell. */
export interface CellError {
  readonly error: ErrorData;
  /** The text of that line, trimmed. */
  readonly lineText: string | null;
}

/** Turns whatever a cell threw into plain data with the line of the cell it came from. */
export function describeCellError(thrown: unknown, id: string, source: string): CellError {
  const data = errorData(thrown);
  const line = data.line ?? lineInStack(thrown, id);
  const lineText = line === null ? null : (source.split("\n")[line - 1]?.trim() ?? null);
  return { error: { ...data, line }, lineText };
}

/** Plain data for any thrown value. */
export function errorData(thrown: unknown): ErrorData {
  if (thrown instanceof FulguriteError) return thrown.toData();
  return {
    code: "notebook/cell",
    message: messageOf(thrown),
    fix: "Correct the cell and run it again.",
    line: null,
    column: null,
  };
}

function messageOf(thrown: unknown): string {
  // Reading a thrown value may run the person's getters.
  try {
    if (thrown instanceof Error) return `${thrown.name}: ${thrown.message}`;
    return `The cell threw ${typeof thrown === "string" ? JSON.stringify(thrown) : String(thrown)}.`;
  } catch {
    return "The cell threw a value that cannot be read.";
  }
}

/**
 * An error that reached nobody, of a promise or a timer that nothing waits for: the cell whose line threw it, as its
 * stack says; null where it says of none.
 */
export function cellOfError(thrown: unknown): string | null {
  const id = /fulgurite-cell\/(.+?)\.ts:\d/.exec(stackOf(thrown))?.[1];
  return id ?? null;
}

/** What such an error says below its cell. */
export function strayWords(thrown: unknown, id: string, source: string): string {
  const { error, lineText } = describeCellError(thrown, id, source);
  const where = error.line === null ? "" : `Line ${error.line}: `;
  const text = lineText === null ? "" : `\n    ${lineText}`;
  return `${where}${error.message}${text}\nNothing in the cell waits for this: \`await\` it, or catch its error.`;
}

function stackOf(thrown: unknown): string {
  // Reading a thrown value may run the person's getters.
  try {
    const stack: unknown = thrown instanceof Error ? thrown.stack : null;
    return typeof stack === "string" ? stack : "";
  } catch {
    return "";
  }
}

/** V8 and SpiderMonkey both name the evaluated text by its sourceURL. */
function lineInStack(thrown: unknown, id: string): number | null {
  const url = cellUrl(id).replace(/[.\\/]/g, "\\$&");
  const line = new RegExp(`${url}:(\\d+)`).exec(stackOf(thrown))?.[1];
  return line === undefined ? null : Number(line);
}
