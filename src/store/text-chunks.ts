import { isPresent, numberColumn, textAt, textColumn } from "./arrow-column.ts";
import { readArrow } from "./arrow-read.ts";
import { writeArrow } from "./arrow-write.ts";
import { inChunks, rowsOfChunk, type EncodedChunk } from "./cold-chunk.ts";
import type { Span } from "./records.ts";

const formatKey = "fulgurite.texts";
const format = "1";
const column = "attributes";

/** Texts of this mean length, in UTF-16 units, are kept apart from the hot columns. */
const longText = 256;

export const noKeys: ReadonlySet<string> = new Set<string>();

/** Keys of the attributes whose texts are long: messages, tool definitions, documents. */
export function longTextKeys(rows: readonly Span[]): ReadonlySet<string> {
  const sums = new Map<string, { count: number; units: number }>();
  for (const { attributes } of rows) {
    for (const key in attributes) {
      const value = attributes[key];
      if (typeof value !== "string") continue;
      const sum = sums.get(key);
      if (sum) {
        sum.count++;
        sum.units += value.length;
      } else sums.set(key, { count: 1, units: value.length });
    }
  }
  const keys = [...sums].filter(([, { count, units }]) => units >= longText * count).map(([key]) => key);
  return keys.length === 0 ? noKeys : new Set(keys);
}

/** Texts under `keys`, as JSON by row, in chunks; empty where there are none. */
export function encodeTexts(rows: readonly Span[], keys: ReadonlySet<string>): EncodedChunk[] {
  if (keys.size === 0) return [];
  const numbers: number[] = [];
  const texts: string[] = [];
  rows.forEach(({ attributes }, row) => {
    const long: Record<string, string> = {};
    let any = false;
    for (const key of keys) {
      const value = attributes[key];
      if (typeof value !== "string") continue;
      long[key] = value;
      any = true;
    }
    if (!any) return;
    numbers.push(row);
    texts.push(JSON.stringify(long));
  });
  return inChunks(
    numbers,
    (entry) => texts[entry]!.length,
    (from, to) =>
      writeArrow(
        [
          ["row", numberColumn(Int32Array.from(numbers.slice(from, to)))],
          [column, textColumn(texts.slice(from, to))],
        ],
        to - from,
        { [formatKey]: format },
      ),
  );
}

/** Texts of a chunk, by row of the segment. */
export interface TextRows {
  at(row: number): Readonly<Record<string, string>> | undefined;
}

/** Throws (an `Error` that says what is wrong) where the bytes are none. */
export function decodeTexts(bytes: Uint8Array<ArrayBuffer>): TextRows {
  const batch = readArrow(bytes);
  const found = batch.metadata.get(formatKey);
  if (found !== format) throw new Error(`texts of format ${String(found)} instead of ${format}`);
  const entryOf = rowsOfChunk(batch);
  const texts = batch.columns.get(column);
  if (texts?.kind !== "text") throw new Error(`column ${column} is missing`);
  return {
    at: (row) => {
      const entry = entryOf.get(row);
      if (entry === undefined || !isPresent(texts, entry)) return undefined;
      return JSON.parse(textAt(texts, entry)!) as Record<string, string>;
    },
  };
}
