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

/** V8 and SpiderMonkey both name the evaluated text by its sourceURL. */
function lineInStack(thrown: unknown, id: string): number | null {
  let stack: unknown;
  try {
    stack = thrown instanceof Error ? thrown.stack : null;
  } catch {
    return null;
  }
  if (typeof stack !== "string") return null;
  const url = cellUrl(id).replace(/[.\\/]/g, "\\$&");
  const line = new RegExp(`${url}:(\\d+)`).exec(stack)?.[1];
  return line === undefined ? null : Number(line);
}
