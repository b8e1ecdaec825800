import { chunkKey, runOfKey, type Key, type Storage } from "../../src/store/storage.ts";
import { segmentSize } from "../../src/store/segment-size.ts";
import { unpackGroup } from "../../src/store/tail-group.ts";
import { expectSame } from "./contract.ts";

const tables = [
  "runs",
  "checkpoints",
  "bookkeeping",
  "tail",
  "segments",
  "blobs",
  "rollouts",
  "tokens",
  "resources",
] as const;

/**
 * What does not fit together in a store's tables, in words: rows that nobody points to, rows that are missing, counts that
 * are wrong, anything left of a deleted run. Empty where all is well.
 */
export function auditStorage(storage: Storage): Promise<string[]> {
  return storage.transaction(tables, { mode: "readonly" }, async (transaction) => {
    const [books, segments, tails, runs] = await Promise.all([
      transaction.list("bookkeeping"),
      transaction.list("segments"),
      transaction.list("tail"),
      transaction.list("runs"),
    ]);
    const found: string[] = [];
    const compare = (what: string, there: readonly Key[], wanted: readonly Key[]): void => {
      const has = new Set(there.map(String));
      const needs = new Set(wanted.map(String));
      for (const key of has) if (!needs.has(key)) found.push(`${what} ${key} belongs to nothing`);
      for (const key of needs) if (!has.has(key)) found.push(`${what} ${key} is missing`);
    };
    // What an opening of a workspace has put there already; the next one takes it away.
    const staged = new Set(books.filter(({ value }) => value.staged).map(({ value }) => value.runId));
    const keys = async (table: "blobs" | "tokens"): Promise<Key[]> =>
      (await transaction.list(table)).map(({ key }) => key).filter((key) => !staged.has(runOfKey(key)));
    compare(
      "blob",
      await keys("blobs"),
      segments.map(({ key }) => key),
    );
    compare(
      "chunk",
      await keys("tokens"),
      segments.flatMap(({ value: { runId, number, tokens, texts } }) =>
        [tokens, texts].flatMap((part) =>
          part && "chunks" in part
            ? part.chunks.map((chunk) => [runId, chunkKey(number, chunk.number)] as const)
            : [],
        ),
      ),
    );
    const there = new Set(runs.map(({ key }) => key));
    // A book without a run is what a full disk leaves of one that was deleted.
    const living = new Set(
      books.filter(({ key, value }) => !value.deleted && there.has(key)).map(({ value }) => value.runId),
    );
    for (const table of tables) {
      if (table === "bookkeeping" || table === "resources") continue;
      for (const { key } of await transaction.list(table))
        if (!living.has(runOfKey(key)) && !staged.has(runOfKey(key)))
          found.push(`${table} ${String(key)} is of a run that is not there`);
    }
    for (const { value } of await transaction.list("resources"))
      if (value.runId !== null && !living.has(value.runId))
        found.push(`resources ${value.id} are of a run that is not there`);
    compare(
      "run",
      runs.map(({ key }) => key),
      [...living],
    );
    for (const { value: book } of books) {
      const { runId } = book;
      if (!living.has(runId)) continue;
      const own = segments.filter(({ value }) => value.runId === runId).map(({ value }) => value);
      const tail = tails
        .filter(({ key }) => runOfKey(key) === runId)
        .reduce((sum, { value }) => sum + unpackGroup(value).length, 0);
      const spans = own.reduce((sum, { rows }) => sum + rows, tail);
      if (book.tailRows !== tail) found.push(`${runId} counts ${book.tailRows} rows in its tail of ${tail}`);
      const bytes = own.reduce((sum, segment) => sum + segmentSize(segment), 0);
      if (book.segmentBytes !== bytes) found.push(`${runId} counts ${book.segmentBytes} bytes of ${bytes}`);
      if (book.statistics.spans !== spans)
        found.push(`${runId} counts ${book.statistics.spans} spans of ${spans}`);
      if (own.some(({ number }) => number >= book.nextSegment))
        found.push(`${runId} will give out segment ${book.nextSegment} twice`);
    }
    return found;
  });
}

/** Throws where anything in the store does not fit together; how many segments the run has. */
export async function checkWhole(storage: Storage, runId: string): Promise<number> {
  expectSame(await auditStorage(storage), [], "what does not fit together");
  const segments = await storage.transaction(["segments"], { mode: "readonly" }, (transaction) =>
    transaction.list("segments", runId),
  );
  return segments.length;
}
