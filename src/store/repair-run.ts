import { newBook } from "./books.ts";
import { CatalogueCache } from "./catalogue-cache.ts";
import { ownArrays } from "./owned-arrays.ts";
import type { Run, Span, TokenColumns } from "./records.ts";
import { outsideRun, outsideRunId } from "./rollout-writer.ts";
import { estimateRolloutBytes } from "./rollouts.ts";
import { writeSegments } from "./seal.ts";
import { decodeSegment } from "./segment.ts";
import { dropSegment, rewriteSegments } from "./segment-rewrite.ts";
import { segmentSize } from "./segment-size.ts";
import type { SpanColumns } from "./span-columns.ts";
import { estimateBytes, rolloutNumberOf, simulatedSpanId, spanKey } from "./span.ts";
import { addStatistics, noStatistics, statisticsOf } from "./statistics.ts";
import {
  chunkKey,
  type Bookkeeping,
  type Segment,
  type StorageTransaction,
  type TailGroup,
} from "./storage.ts";
import { packGroup, unpackGroup } from "./tail-group.ts";
import { decodeTexts } from "./text-chunks.ts";
import { decodeTokens } from "./token-chunks.ts";

/**
 * Makes one run whole after transactions were lost: its rows in the tail and in segments are there once, its bookkeeping says
 * what there is, a run without its own row has one that says so. `tails` are put back as far as they are nowhere else;
 * spans of the rollouts `removed` go. True where anything was changed.
 */
export async function repairRun(
  transaction: StorageTransaction,
  runId: string,
  tails: readonly TailGroup[],
  removed: ReadonlySet<number>,
): Promise<boolean> {
  const before = await transaction.get("bookkeeping", runId);
  const numbers = (await transaction.list("segments", runId)).map(({ value }) => value.number);
  const groups = (await transaction.list("tail", runId)).map(({ key }) => Number(key[1]));
  let book: Bookkeeping = {
    ...newBook(runId),
    ...before,
    deleted: false,
    nextSegment: Math.max(before?.nextSegment ?? 0, ...numbers.map((number) => number + 1)),
    nextGroup: Math.max(before?.nextGroup ?? 0, ...groups.map((group) => group + 1)),
  };
  book = await adoptOrphans(transaction, book);
  const spans = new SpanCensus(runId, removed);
  book = await keepOnce(transaction, book, spans);
  book = await repairTail(transaction, book, tails, spans);
  book = await count(transaction, book, spans);
  transaction.put("bookkeeping", runId, { ...book, version: book.version + 1 });
  const run = await transaction.get("runs", runId);
  if (!run) transaction.put("runs", runId, lostRun(runId, spans.firstTime));
  return !run || !before || !says(before, book);
}

/** Do both say the same of what there is? Estimates apart. */
const says = (a: Bookkeeping, b: Bookkeeping): boolean =>
  a.tailRows === b.tailRows &&
  a.segmentBytes === b.segmentBytes &&
  a.nextSegment === b.nextSegment &&
  a.statistics.spans === b.statistics.spans &&
  a.statistics.rollouts === b.statistics.rollouts;

/** Stands for a run whose own row is lost. */
function lostRun(runId: string, firstTime: number): Run {
  const time = Number.isFinite(firstTime) ? firstTime : 0;
  if (runId === outsideRunId) return outsideRun(runId, "Rollouts from outside", "running", time);
  const reason = "Its own record could not be read; what else was kept of it is here.";
  return { ...outsideRun(runId, `Run ${runId}`, "failed", time), reason };
}

/** Which spans a run has, and what its bookkeeping says of them. */
class SpanCensus {
  readonly #runId: string;
  readonly #removed: ReadonlySet<number>;
  readonly #keys = new Set<string>();
  /** The last sequence of each rollout. */
  readonly last = new Map<string, number>();
  series: Bookkeeping["series"] = null;
  nextTracedRollout = 0;
  firstTime = Infinity;

  constructor(runId: string, removed: ReadonlySet<number>) {
    this.#runId = runId;
    this.#removed = removed;
  }

  /** False for one that was there already, or that is of a removed rollout. */
  add(span: Span): boolean {
    const { spanId, rolloutId, attemptId, sequence, startTime } = span;
    const number = rolloutNumberOf(this.#runId, rolloutId);
    const key = spanKey(spanId, rolloutId, attemptId);
    if (this.#removed.has(number) || this.#keys.has(key)) return false;
    this.#keys.add(key);
    this.nextTracedRollout = Math.max(this.nextTracedRollout, number + 1);
    this.firstTime = Math.min(this.firstTime, startTime);
    if (rolloutId !== null)
      this.last.set(rolloutId, Math.max(this.last.get(rolloutId) ?? sequence, sequence));
    if (spanId === simulatedSpanId(this.#runId, sequence)) {
      const { first, last } = this.series ?? { first: sequence, last: sequence };
      this.series = { first: Math.min(first, sequence), last: Math.max(last, sequence) };
    }
    return true;
  }
}

/** Hot columns of a segment; null where they cannot be read, which whoever reads the run names. */
async function openColumns(
  transaction: StorageTransaction,
  { runId, number, damage }: Pick<Segment, "runId" | "number" | "damage">,
): Promise<SpanColumns | null> {
  const bytes = damage === null ? await transaction.get("blobs", [runId, number]) : undefined;
  try {
    return bytes ? decodeSegment(bytes) : null;
  } catch {
    return null;
  }
}

/** Segments that have lost their row in the catalogue get another, under a new number. */
async function adoptOrphans(transaction: StorageTransaction, book: Bookkeeping): Promise<Bookkeeping> {
  const { runId } = book;
  const segments = (await transaction.list("segments", runId)).map(({ value }) => value);
  const there = new Set(segments.map(({ number }) => number));
  const chunks = (await transaction.list("tokens", runId)).map(({ key }) => Number(key[1]));
  let after = book;
  for (const { key } of await transaction.list("blobs", runId)) {
    const number = Number(key[1]);
    if (there.has(number)) continue;
    const columns = await openColumns(transaction, { runId, number, damage: null });
    const own = chunks.filter((chunk) => chunk >= chunkKey(number, 0) && chunk < chunkKey(number + 1, 0));
    const tokens: Cold<TokenColumns>[] = [];
    const texts: Cold<Readonly<Record<string, string>>>[] = [];
    for (const chunk of own) {
      const bytes = (await transaction.get("tokens", [runId, chunk]))!;
      const read = attempt(() => decodeTokens(bytes));
      if (read) tokens.push(read);
      else texts.push(...[attempt(() => decodeTexts(bytes))].filter((part) => part !== null));
      transaction.delete("tokens", [runId, chunk]);
    }
    transaction.delete("blobs", key);
    if (!columns) continue;
    const rows = Array.from({ length: columns.length }, (_, row): Span => {
      const span = columns.spanAt(row);
      const ids = tokens.map((part) => part.at(row)).find((found) => found !== undefined);
      const long = texts.map((part) => part.at(row)).find((found) => found !== undefined);
      return {
        ...span,
        attributes: { ...span.attributes, ...long },
        ...(ids ? { tokens: ids } : {}),
      };
    });
    after = writeSegments(
      transaction,
      { ...after, nextSegment: Math.max(after.nextSegment, number + 1) },
      rows,
    );
  }
  return after;
}

interface Cold<Content> {
  at(row: number): Content | undefined;
}

function attempt<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** Where a joining of segments was lost, they are there beside what was joined from it later: the newest stays. */
async function keepOnce(
  transaction: StorageTransaction,
  book: Bookkeeping,
  spans: SpanCensus,
): Promise<Bookkeeping> {
  let after = book;
  const segments = (await transaction.list("segments", book.runId)).map(({ value }) => value);
  for (const segment of segments.reverse()) {
    const columns = await openColumns(transaction, segment);
    if (!columns) continue;
    let kept = 0;
    const fresh: boolean[] = [];
    for (let row = 0; row < columns.length; row++) {
      fresh.push(spans.add(columns.spanAt(row)));
      if (fresh[row]) kept++;
    }
    if (kept === columns.length) continue;
    if (kept === 0) after = dropSegment(transaction, after, segment);
    else {
      let row = 0;
      const keep = (): boolean => fresh[row++]!;
      after =
        (await rewriteSegments(transaction, after, [segment], new CatalogueCache(), keep))?.book ?? after;
    }
  }
  return after;
}

async function repairTail(
  transaction: StorageTransaction,
  book: Bookkeeping,
  tails: readonly TailGroup[],
  spans: SpanCensus,
): Promise<Bookkeeping> {
  let { nextGroup } = book;
  let [tailRows, tailBytes] = [0, 0];
  const add = (rows: readonly Span[]): void => {
    tailRows += rows.length;
    for (const span of rows) tailBytes += estimateBytes(span);
  };
  for (const { key, value } of await transaction.list("tail", book.runId)) {
    const rows = unpackGroup(value);
    const kept = rows.filter((span) => spans.add(span));
    add(kept);
    if (kept.length === rows.length) continue;
    if (kept.length > 0) transaction.put("tail", key, packGroup(kept));
    else transaction.delete("tail", key);
  }
  for (const group of tails) {
    const kept = unpackGroup(group).filter((span) => spans.add(span));
    if (kept.length === 0) continue;
    add(kept);
    transaction.put("tail", [book.runId, nextGroup++], packGroup(kept));
  }
  return { ...book, nextGroup, tailRows, tailBytes };
}

/** What the bookkeeping says of all that is there now. */
async function count(
  transaction: StorageTransaction,
  book: Bookkeeping,
  spans: SpanCensus,
): Promise<Bookkeeping> {
  const { runId } = book;
  const segments = (await transaction.list("segments", runId)).map(({ value }) => value);
  const rows = segments.reduce((sum, segment) => sum + segment.rows, book.tailRows);
  let statistics = { ...noStatistics, spans: rows };
  let { nextRollout, rolloutBytes } = { nextRollout: book.nextRollout, rolloutBytes: 0 };
  for (const { value } of await transaction.list("rollouts", runId)) {
    statistics = addStatistics(statistics, statisticsOf(value));
    rolloutBytes += estimateRolloutBytes(value);
    nextRollout = Math.max(nextRollout, value.number + 1);
  }
  for (const [id, last] of spans.last) {
    const next = await transaction.get("sequences", id);
    if (next !== undefined && next <= last) transaction.put("sequences", id, last + 1);
  }
  const checkpoint = await transaction.get("checkpoints", runId);
  const { series } = book;
  return {
    ...book,
    segmentBytes: segments.reduce((sum, segment) => sum + segmentSize(segment), 0),
    checkpointBytes: checkpoint ? ownArrays(checkpoint).bytes : 0,
    rolloutBytes,
    nextRollout,
    statistics,
    nextTracedRollout: Math.max(book.nextTracedRollout, spans.nextTracedRollout),
    series:
      series && spans.series
        ? {
            first: Math.min(series.first, spans.series.first),
            last: Math.max(series.last, spans.series.last),
          }
        : (series ?? spans.series),
  };
}
