import { crc32 } from "./crc32.ts";
import type { Span, SpanQuery, StoreProblem } from "./records.ts";
import { holdsRollout } from "./rollout-zone.ts";
import { decodeSegment } from "./segment.ts";
import { orderRows, TailColumns, type SpanColumns } from "./span-columns.ts";
import type { Segment, StorageTransaction, TableName } from "./storage.ts";
import { decodeTokens, type TokenRows } from "./token-columns.ts";

export const spanTables: readonly TableName[] = ["segments", "blobs", "tail", "tokens"];

type Bytes = Uint8Array<ArrayBuffer> | undefined;

/** Bytes of the segments that a query needs, and the tail, all of one moment. */
export interface StoredSpans {
  readonly segments: readonly {
    readonly segment: Segment;
    readonly bytes: Bytes;
    /** Null where the query does not need them. */
    readonly tokens: { readonly bytes: Bytes } | null;
  }[];
  readonly tail: readonly Span[];
}

/** A readable batch; `tokens` of a segment's rows lie apart, a tail's rows have their own. */
export interface Batch {
  readonly columns: SpanColumns;
  readonly tokens: TokenRows | null;
}

/** The zone map's answer: may the segment hold a wanted span? */
const mayHold = (segment: Segment, { runId, rolloutId, name, afterSequence }: SpanQuery): boolean =>
  (name === undefined || segment.names.includes(name)) &&
  (afterSequence === undefined || segment.maxSequence > afterSequence) &&
  (rolloutId === undefined || segment.rollouts === null || holdsRollout(segment.rollouts, runId, rolloutId));

const needsTokens = ({ tokens }: Segment, query: SpanQuery): boolean =>
  tokens?.damage === null &&
  query.tokens !== false &&
  (query.name === undefined || tokens.names.includes(query.name));

export async function readStored(transaction: StorageTransaction, query: SpanQuery): Promise<StoredSpans> {
  const { runId, rolloutId } = query;
  const [catalogue, groups] = await Promise.all([
    transaction.list("segments", runId),
    transaction.list("tail", runId),
  ]);
  const wanted = catalogue.filter(({ value }) => value.damage === null && mayHold(value, query));
  const read = async (table: "blobs" | "tokens", key: (typeof wanted)[number]["key"]) => ({
    bytes: await transaction.get(table, key),
  });
  const segments = await Promise.all(
    wanted.map(async ({ key, value }) => {
      const [{ bytes }, tokens] = await Promise.all([
        read("blobs", key),
        needsTokens(value, query) ? read("tokens", key) : null,
      ]);
      return { segment: value, bytes, tokens };
    }),
  );
  const tail = groups.flatMap(({ value }) => value.rows);
  return {
    segments,
    tail: rolloutId === undefined ? tail : tail.filter((span) => span.rolloutId === rolloutId),
  };
}

/** What `decode` makes of intact bytes, or why they cannot be read. */
function open<Content extends object>(
  bytes: Bytes,
  expected: { readonly byteLength: number; readonly crc: number },
  decode: (bytes: Uint8Array<ArrayBuffer>) => Content,
): Content | string {
  if (!bytes) return "its data is missing";
  if (bytes.byteLength !== expected.byteLength) {
    return `${bytes.byteLength} bytes instead of ${expected.byteLength}`;
  }
  if (crc32(bytes) !== expected.crc) return "its checksum differs";
  try {
    return decode(bytes);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export interface Damage {
  readonly segment: Segment;
  readonly part: "segment" | "tokens";
  readonly reason: string;
}

/** All readable batches; `damaged` is told of the others. */
export function openBatches(stored: StoredSpans, damaged: (damage: Damage) => void): Batch[] {
  const batches: Batch[] = [];
  for (const { segment, bytes, tokens } of stored.segments) {
    const columns = open(bytes, segment, (intact) => {
      const decoded = decodeSegment(intact);
      if (decoded.length === segment.rows) return decoded;
      throw new Error(`${decoded.length} rows instead of ${segment.rows}`);
    });
    if (typeof columns === "string") {
      damaged({ segment, part: "segment", reason: columns });
      continue;
    }
    const opened = tokens && open(tokens.bytes, segment.tokens!, decodeTokens);
    if (typeof opened === "string") damaged({ segment, part: "tokens", reason: opened });
    batches.push({ columns, tokens: typeof opened === "string" ? null : opened });
  }
  if (stored.tail.length > 0) batches.push({ columns: new TailColumns(stored.tail), tokens: null });
  return batches;
}

/** The wanted spans by rollout and sequence. */
export function selectSpans(batches: readonly Batch[], query: SpanQuery): Span[] {
  const { name, afterSequence, rolloutId } = query;
  const order = orderRows(
    batches.map(({ columns }) => columns),
    (batch, row, sequence) =>
      (afterSequence === undefined || sequence > afterSequence) &&
      (name === undefined || batch.nameAt(row) === name) &&
      (rolloutId === undefined || batch.rolloutIdAt(row) === rolloutId),
  );
  return Array.from({ length: order.length }, (_, i) => {
    const batch = batches[order.batch[i]!]!;
    const row = order.row[i]!;
    const span = batch.columns.spanAt(row);
    if (query.tokens === false) return withoutTokens(span);
    const tokens = batch.tokens?.at(row);
    return tokens ? { ...span, tokens } : span;
  });
}

function withoutTokens(span: Span): Span {
  if (!span.tokens) return span;
  const rest: { tokens?: unknown } & Omit<Span, "tokens"> = { ...span };
  delete rest.tokens;
  return rest as Span;
}

/** What a person is told of the damaged parts of a segment. */
export function corruptProblems(segment: Segment): StoreProblem[] {
  const { runId, number, rows, minSequence, maxSequence, damage, tokens } = segment;
  const where = `egment ${number} of run ${runId} (${rows} spans, sequence ${minSequence} to ${maxSequence})`;
  const place = { line: null, column: null, runId, segment: number };
  const problems: StoreProblem[] = [];
  if (damage !== null) {
    problems.push({
      code: "store/corrupt-segment",
      message: `S${where} cannot be read: ${damage}.`,
      fix: "It was set aside and the rest of the run is readable; delete the run once you no longer need it.",
      ...place,
    });
  } else if (tokens && tokens.damage !== null) {
    problems.push({
      code: "store/corrupt-tokens",
      message: `The tokens of s${where} cannot be read: ${tokens.damage}.`,
      fix: "Its spans are readable without them; delete the run once you no longer need it.",
      ...place,
    });
  }
  return problems;
}
