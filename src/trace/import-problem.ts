import { FulguriteError, type ErrorData } from "../gpu/error.ts";

/** Something in a file that could not be read. What lies around it is read all the same. */
export interface ImportProblem extends ErrorData {
  /** Offset from the file's (or the archive entry's) first byte; null where unknown. */
  readonly byte: number | null;
  /** Number of the line, span or table row, from 1; null where it is about none. */
  readonly row: number | null;
}

/** What a file held, and what in it could not be read: nothing goes missing in silence. */
export interface Imported<Item> {
  readonly items: readonly Item[];
  readonly problems: readonly ImportProblem[];
}

export interface ProblemPlace {
  readonly byte?: number;
  readonly row?: number;
  readonly line?: number;
  readonly column?: number;
}

/** A problem with a code of the form "import/...". */
export function importProblem(
  code: string,
  message: string,
  fix: string,
  { byte, row, line, column }: ProblemPlace = {},
): ImportProblem {
  return {
    code: `import/${code}`,
    message,
    fix,
    line: line ?? null,
    column: column ?? null,
    byte: byte ?? null,
    row: row ?? null,
  };
}

/** The items where there is no problem; throws the first problem as a `FulguriteError` where there is one. */
export function wholeImport<Item>({ items, problems }: Imported<Item>): readonly Item[] {
  const [first] = problems;
  if (first) throw FulguriteError.fromData(first);
  return items;
}

/** Message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
