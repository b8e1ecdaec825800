import type { CatalogueCache } from "./catalogue-cache.ts";
import { readStored, selectSpans } from "./read.ts";
import type { Rollout } from "./records.ts";
import type { StorageTransaction } from "./storage.ts";

/** After the spans that the rollout has, where nobody counted them; 1 where it has none. */
export async function firstSequence(
  transaction: StorageTransaction,
  { id, runId }: Rollout,
  catalogue: CatalogueCache,
): Promise<number> {
  const query = { runId, rolloutId: id, tokens: false };
  const needs = { tokens: false, texts: false };
  const { batches } = await readStored(transaction, query, catalogue, needs);
  const spans = selectSpans(batches, query);
  return (spans.at(-1)?.sequence ?? 0) + 1;
}
