import type { Span } from "./records.ts";
import type { Bookkeeping } from "./storage.ts";

interface KnownTail {
  version: number;
  rows: Span[];
}

/** Most rows that are kept of one run: beyond, they are read again. */
const mostRows = 8192;

/**
 * Rows of the tails that this tab wrote, so that sealing them reads nothing. Good for as long as no other tab writes to
 * the run: each entry is of one version of its bookkeeping row.
 */
export class TailCache {
  readonly #tails = new Map<string, KnownTail>();

  /** The rows of the tail at this version; null where they are not known. */
  rows({ runId, version, tailRows }: Bookkeeping): readonly Span[] | null {
    if (tailRows === 0) return [];
    const known = this.#tails.get(runId);
    return known?.version === version && known.rows.length === tailRows ? known.rows : null;
  }

  /** After a write that took the run from `before` to `after` by adding `spans` to its tail. */
  added(before: Bookkeeping | null, after: Bookkeeping, spans: readonly Span[]): void {
    const known = this.#tails.get(after.runId);
    const rows =
      (before?.tailRows ?? 0) === 0 ? [] : known && known.version === before?.version ? known.rows : null;
    if (!rows || rows.length + spans.length > mostRows) {
      this.#tails.delete(after.runId);
      return;
    }
    // What was passed may change once the commit is acknowledged.
    for (const span of spans) rows.push(ownCopy(span));
    this.#tails.set(after.runId, { version: after.version, rows });
  }

  forget(runId: string): void {
    this.#tails.delete(runId);
  }
}

function ownCopy(span: Span): Span {
  const { tokens, attributes } = span;
  if (!tokens) return { ...span, attributes: { ...attributes } };
  return {
    ...span,
    attributes: { ...attributes },
    tokens: {
      promptIds: tokens.promptIds.slice(),
      responseIds: tokens.responseIds.slice(),
      samplerLogProbabilities: tokens.samplerLogProbabilities.slice(),
      logProbabilities: tokens.logProbabilities.slice(),
    },
  };
}
