import { readBook } from "./books.ts";
import type { CatalogueCache } from "./catalogue-cache.ts";
import { directRows, maxSegmentRows } from "./segment.ts";
import { rewriteSegments } from "./segment-rewrite.ts";
import type { Segment, StorageTransaction } from "./storage.ts";
import type { Written } from "./write.ts";

/** Fewer rows than this are small: worth joining with their neighbours. */
const smallRows = directRows;

/** Joining pays by itself when at least this many segments go. */
const worthwhile = 6;

type Kind = "own" | "rollouts" | null;

/** Whose spans are inside; null where that is not known, and for what is damaged: such a segment stays as it is. */
function kindOf({ rollouts, damage, tokens, texts }: Segment): Kind {
  if (!rollouts || damage !== null) return null;
  if ((tokens && tokens.damage !== null) || (texts && texts.damage !== null)) return null;
  const { ranges, others, none } = rollouts;
  if (!none) return "rollouts";
  return ranges.length === 0 && others.length === 0 ? "own" : null;
}

/**
 * Which segments to join: neighbours of one kind, in the order of writing, that fit one segment together, with at least one
 * small one among any two. Unless `all` is asked for, only groups of which the largest is at most half: then each row
 * moves a few times in the life of its run, however often small segments arrive.
 */
export function planCompaction(segments: readonly Segment[], all: boolean): readonly Segment[][] {
  const groups: Segment[][] = [];
  for (const kind of ["own", "rollouts"] as const) {
    let group: Segment[] = [];
    let rows = 0;
    const close = (): void => {
      const largest = Math.max(0, ...group.map((segment) => segment.rows));
      if (group.length > 1 && (all || 2 * largest <= rows)) groups.push(group);
      group = [];
      rows = 0;
    };
    for (const segment of segments) {
      if (kindOf(segment) !== kind) continue;
      const before = group.at(-1);
      const bothFull = before !== undefined && before.rows >= smallRows && segment.rows >= smallRows;
      if (bothFull || rows + segment.rows > maxSegmentRows) close();
      group.push(segment);
      rows += segment.rows;
    }
    close();
  }
  return groups;
}

/** Would joining the small segments of a run that goes on make enough fewer of them? */
export const isWorthwhile = (segments: readonly Segment[]): boolean =>
  planCompaction(segments, false).reduce((sum, group) => sum + group.length - 1, 0) >= worthwhile;

/**
 * Joins one group of small segments, in the transaction that it is given: a reader sees them, or what they were joined to. It is
 * planned here, so that a second tab that had the same idea finds nothing to do. `skip` leaves out the first groups of the plan.
 * Null where nothing is left; otherwise whether the group could be read, and what was written.
 */
export async function compactOnce(
  transaction: StorageTransaction,
  runId: string,
  catalogue: CatalogueCache,
  { all, skip }: { readonly all: boolean; readonly skip: number },
): Promise<{ readonly written: Written | null } | null> {
  const before = await readBook(transaction, runId);
  if (!before || before.deleted) return null;
  const group = planCompaction(await catalogue.segments(transaction, runId), all)[skip];
  if (!group) return null;
  const rewritten = await rewriteSegments(transaction, before, group, catalogue);
  if (!rewritten) return { written: null };
  const after = { ...rewritten.book, version: before.version + 1 };
  transaction.put("bookkeeping", runId, after);
  return { written: { before, after, spans: [], direct: false } };
}
