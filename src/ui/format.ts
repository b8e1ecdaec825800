// Made at the first need: a browser's first of these takes some 40 ms, which the page's start does without.
let whole: Intl.NumberFormat | undefined;
let compact: Intl.NumberFormat | undefined;

/** A count with thousands separators: 80,000. */
export function formatCount(value: number): string {
  if (Number.isInteger(value) && value >= 0 && value < 1e15)
    return String(value).replace(/\B(?=(?:\d{3})+$)/g, ",");
  whole ??= new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  return whole.format(value);
}

/** A count with its noun: "1 rollout", "2,000 rollouts". */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** A rate or size in three figures: 21.4K. */
export function formatCompact(value: number): string {
  compact ??= new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  return compact.format(value);
}

/** A measured figure in about three significant digits, never in exponent form above 1e-4; "–" where there is none. */
export function formatFigure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 100) return formatCount(Math.round(value));
  if (size >= 1) return trimZeros(value.toFixed(size >= 10 ? 1 : 2));
  if (size === 0) return "0";
  return size >= 1e-4 ? trimZeros(value.toPrecision(3)) : value.toExponential(1);
}

const trimZeros = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

/** A day in the person's time zone: "22 Nov 2026". */
export const formatDate = (time: number): string =>
  new Date(time).toLocaleDateString("en-GB", { dateStyle: "medium" });

/** A moment in the person's time zone: "22 Nov 2026, 04:38". */
export const formatDateTime = (time: number): string =>
  new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** Milliseconds as people say them: "under a second", "8 s", "2 min 5 s", "1 h 12 min". */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 1) return "under a second";
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Bytes in decimal units, as disks are sold: "3.1 MB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : formatFigure(value)} ${units[unit]}`;
}

/** A figure that may be negative, with its sign, to two decimals at most; "–" where there is none. */
export function formatSigned(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return `${value > 0 ? "+" : "−"}${formatFigure(size < 0.01 ? size : Math.round(size * 100) / 100)}`;
}

/** A short time: "0.4 ms", "38 ms", "1.2 s". */
export function formatSpan(milliseconds: number): string {
  if (milliseconds < 1000) return `${formatFigure(Math.round(milliseconds * 10) / 10)} ms`;
  return milliseconds < 60_000 ? `${formatFigure(milliseconds / 1000)} s` : formatDuration(milliseconds);
}
