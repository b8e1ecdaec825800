import { FulguriteError } from "../gpu/error.ts";
import { measure } from "../runner/measure.ts";

/** Most entries of a list, and most bytes of both. */
const MAX_ENTRIES = 200_000;
const MAX_BYTES = 64_000_000;

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/**
 * Throws "train/invalid" where the option `name`, lists of `noun`s to train on and to hold out, is no such thing, is too
 * large, or has an entry in both lists.
 */
export function checkSplit(
  name: string,
  noun: string,
  { train, heldOut }: { readonly train: readonly unknown[]; readonly heldOut: readonly unknown[] },
): void {
  for (const [part, list] of Object.entries({ train, heldOut })) {
    if (Array.isArray(list) && list.length > 0 && list.length <= MAX_ENTRIES) continue;
    throw invalid(
      `\`${name}.${part}\` is not a list of 1 to ${MAX_ENTRIES.toLocaleString("en")} ${noun}s.`,
      `Pass ${name}: { train: [...], heldOut: [...] }.`,
    );
  }
  if (measure([train, heldOut], MAX_BYTES) > MAX_BYTES) {
    throw invalid(`The ${noun}s take more than 64 MB.`, `Keep a ${noun} small, or take fewer of them.`);
  }
  const seen = new Set(train.map(entryKey));
  const both = heldOut.find((entry) => {
    const key = entryKey(entry);
    return key !== null && seen.has(key);
  });
  if (both !== undefined) {
    throw invalid(
      `The held-out ${noun} ${entryKey(both)!.slice(0, 80)} is also trained on.`,
      "Take it out of one of the lists: what was trained on proves nothing.",
    );
  }
}

/** JSON of an entry that is nothing but JSON; null of any other, which is not compared. */
function entryKey(entry: unknown): string | null {
  let plain = true;
  try {
    const text = JSON.stringify(entry, (_key, value: unknown) => {
      if (typeof value === "object" && value !== null && !Array.isArray(value)) {
        const prototype = Object.getPrototypeOf(value) as unknown;
        plain &&= prototype === Object.prototype || prototype === null;
      } else plain &&= value !== undefined;
      return value;
    }) as string | undefined;
    return plain ? (text ?? null) : null;
  } catch {
    return null;
  }
}
