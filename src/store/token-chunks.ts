import { itemsAt, listColumn, numberColumn, type ListColumn, type NumberArray } from "./arrow-column.ts";
import { readArrow } from "./arrow-read.ts";
import { writeArrow, type Columns } from "./arrow-write.ts";
import { inChunks, rowsOfChunk, type EncodedChunk } from "./cold-chunk.ts";
import type { Span, TokenColumns } from "./records.ts";

/** Format of the Arrow stream, in its schema's metadata; a reader exists for every number that ever shipped. */
const formatKey = "fulgurite.tokens";
const format = "2";
/** Version 1 had ids of 32 bits only and both log-probabilities always: read like version 2. */
const formats: readonly (string | undefined)[] = ["1", format];

/** Tokens of a segment's spans, by row of the segment. */
export interface TokenRows {
  /** Undefined where the span has none. The arrays own their bytes. */
  at(row: number): TokenColumns | undefined;
}

/** The narrowest unsigned integers that hold all ids; signed ones of 32 bits where none does. */
function idColumn(rows: readonly Int32Array[]): ListColumn {
  let bits = 0;
  for (const ids of rows) for (let i = 0; i < ids.length; i++) bits |= ids[i]!;
  return listColumn(rows, (length) =>
    bits >>> 0 < 256
      ? new Uint8Array(length)
      : bits >>> 0 < 65_536
        ? new Uint16Array(length)
        : new Int32Array(length),
  );
}

const floats = (rows: readonly Float32Array[]): ListColumn =>
  listColumn(rows, (length) => new Float32Array(length));

/** Bit for bit, NaN and -0 included. */
function sameBits(a: Float32Array, b: Float32Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/**
 * The tokens of those rows that have any, in chunks of one Arrow IPC stream each: the row's number within the segment,
 * and its lists. Where sampling was from the plain policy throughout, its log-probabilities are kept once.
 */
export function encodeTokens(rows: readonly Span[]): EncodedChunk[] {
  const numbers: number[] = [];
  const tokens: TokenColumns[] = [];
  for (let row = 0; row < rows.length; row++) {
    const own = rows[row]!.tokens;
    if (!own) continue;
    numbers.push(row);
    tokens.push(own);
  }
  const bytesOf = (entry: number): number => {
    const { promptIds, responseIds } = tokens[entry]!;
    return 2 * promptIds.length + 6 * responseIds.length + 16;
  };
  return inChunks(numbers, bytesOf, (from, to) => {
    const part = tokens.slice(from, to);
    const columns: [string, Columns[number][1]][] = [
      ["row", numberColumn(Int32Array.from(numbers.slice(from, to)))],
      ["promptIds", idColumn(part.map(({ promptIds }) => promptIds))],
      ["responseIds", idColumn(part.map(({ responseIds }) => responseIds))],
      ["logProbabilities", floats(part.map(({ logProbabilities }) => logProbabilities))],
    ];
    if (!part.every((one) => sameBits(one.samplerLogProbabilities, one.logProbabilities)))
      columns.push(["samplerLogProbabilities", floats(part.map((one) => one.samplerLogProbabilities))]);
    return writeArrow(columns, to - from, { [formatKey]: format });
  });
}

/** The lists of a chunk as they lie, for scans. */
export interface TokenLists {
  /** [m] The segment's row of each entry. */
  readonly rows: Int32Array;
  readonly promptIds: ListColumn;
  readonly responseIds: ListColumn;
  readonly samplerLogProbabilities: ListColumn;
  readonly logProbabilities: ListColumn;
}

/** Reads a chunk; throws (an `Error` that says what is wrong) where the bytes are none. */
export function decodeTokens(bytes: Uint8Array<ArrayBuffer>): TokenRows & { readonly lists: TokenLists } {
  const batch = readArrow(bytes);
  const found = batch.metadata.get(formatKey);
  if (!formats.includes(found)) throw new Error(`tokens of format ${String(found)} instead of ${format}`);
  const list = (name: string): ListColumn => {
    const column = batch.columns.get(name);
    if (column?.kind !== "list") throw new Error(`column ${name} is missing`);
    return column;
  };
  const rows = batch.columns.get("row");
  if (rows?.kind !== "numbers" || !(rows.values instanceof Int32Array))
    throw new Error("column row is missing");
  const logProbabilities = list("logProbabilities");
  const lists: TokenLists = {
    rows: rows.values,
    promptIds: list("promptIds"),
    responseIds: list("responseIds"),
    logProbabilities,
    samplerLogProbabilities: batch.columns.has("samplerLogProbabilities")
      ? list("samplerLogProbabilities")
      : logProbabilities,
  };
  let entries: ReadonlyMap<number, number> | null = null;
  const items = (column: ListColumn, entry: number): NumberArray =>
    itemsAt(column, entry) ?? new Int32Array(0);
  return {
    lists,
    at: (row) => {
      entries ??= rowsOfChunk(batch);
      const entry = entries.get(row);
      if (entry === undefined) return undefined;
      return {
        promptIds: new Int32Array(items(lists.promptIds, entry)),
        responseIds: new Int32Array(items(lists.responseIds, entry)),
        samplerLogProbabilities: new Float32Array(items(lists.samplerLogProbabilities, entry)),
        logProbabilities: new Float32Array(items(lists.logProbabilities, entry)),
      };
    },
  };
}
