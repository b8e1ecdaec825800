import { FulguriteError } from "../gpu/error.ts";

/** Where a field of a state lies: one number, or `length` of them. */
export interface Field {
  readonly offset: number;
  /** Null: a plain number. */
  readonly length: number | null;
}

/** Fields of a state by name, in order. */
export interface Layout {
  readonly fields: ReadonlyMap<string, Field>;
  readonly size: number;
}

const MAX_STATE = 1024;

/** Names and sizes as a person writes them: `["x", "speed", "board[36]"]`. Throws "compile/state". */
export function parseLayout(declared: readonly string[]): Layout {
  const fields = new Map<string, Field>();
  let size = 0;
  for (const text of declared) {
    const match = /^([\p{L}_$][\p{L}\p{N}_$]*)(?:\[(\d+)\])?$/u.exec(text);
    const name = match?.[1];
    const length = match?.[2] === undefined ? null : Number(match[2]);
    if (name === undefined || length === 0) {
      throw stateError(
        `"${text}" is no field of a state`,
        'Write names such as "x", or "board[36]" for 36 numbers.',
      );
    }
    if (fields.has(name)) throw stateError(`the field "${name}" is there twice`, "Name every field once.");
    fields.set(name, { offset: size, length });
    size += length ?? 1;
  }
  if (size === 0 || size > MAX_STATE) {
    throw stateError(`a state has 1 to ${MAX_STATE} numbers, not ${size}`, "Use fewer numbers.");
  }
  return { fields, size };
}

/** One name for every number: "x", "board[0]", "board[1]", ... */
export const elementNames = ({ fields }: Layout): string[] =>
  [...fields].flatMap(([name, { length }]) =>
    length === null ? [name] : Array.from({ length }, (_, i) => `${name}[${i}]`),
  );

/** The layout behind `elementNames`. */
export function layoutOfElements(names: readonly string[]): Layout {
  const fields = new Map<string, Field>();
  names.forEach((text, i) => {
    const array = /^(.*)\[(\d+)\]$/.exec(text);
    const name = array?.[1] ?? text;
    const known = fields.get(name);
    fields.set(
      name,
      array ? { offset: known?.offset ?? i, length: Number(array[2]) + 1 } : { offset: i, length: null },
    );
  });
  return { fields, size: names.length };
}

const stateError = (message: string, fix: string): FulguriteError =>
  new FulguriteError("compile/state", message, fix);
