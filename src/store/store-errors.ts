import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import type { StoreUsage } from "./records.ts";
import { StorageFailure } from "./storage.ts";

/** "12 kB", "3.4 MB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]!}`;
}

/** True for what a full disk refused. */
export const isFull = (error: unknown): error is FulguriteError =>
  error instanceof FulguriteError && error.code === "store/full";

/** What a person is told when the disk refuses. `usage` is asked only where it helps. */
export async function explain(
  error: unknown,
  usage: (() => Promise<StoreUsage>) | null,
): Promise<FulguriteError> {
  if (!(error instanceof StorageFailure)) return asFulguriteError(error);
  const options = { cause: error };
  switch (error.kind) {
    case "full":
      return fullError((await usage?.().catch(() => null)) ?? null, options);
    case "blocked":
      return new FulguriteError(
        "store/blocked",
        "Another tab has the store open in an older version.",
        "Close or reload the other tabs of this site, then reload this one.",
        options,
      );
    case "newer":
      return new FulguriteError(
        "store/newer-version",
        "The store was written by a newer version of this page.",
        "Reload the page to get that version.",
        options,
      );
    case "unavailable":
      return new FulguriteError(
        "store/unavailable",
        `The browser gives no storage here: ${error.message}`,
        "Leave private browsing, or allow this site to store data.",
        options,
      );
    case "closed":
      return new FulguriteError("store/closed", "The store was closed.", "Open it again.", options);
    case "lost":
    case "failed":
      return new FulguriteError(
        "store/failed",
        `The browser could not read or write the store: ${error.message}`,
        "Reload the page; if it stays so, restart the browser.",
        options,
      );
  }
}

function fullError(usage: StoreUsage | null, options: { readonly cause: unknown }): FulguriteError {
  const largest = (usage?.runs ?? []).filter((run) => run.bytes > 0).slice(0, 3);
  const used = usage ? ` (${formatBytes(usage.bytes)} in use)` : "";
  return new FulguriteError(
    "store/full",
    `The disk space that the browser allows this site is used up${used}.`,
    largest.length === 0
      ? "Free disk space, or delete other data of this site."
      : `Delete runs that you no longer need; the largest: ${largest
          .map((run) => `"${run.name}" (${formatBytes(run.bytes)}, ${run.runId})`)
          .join(", ")}.`,
    options,
  );
}
