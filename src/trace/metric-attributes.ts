import type { Span } from "../store/records.ts";

// A resumed run does some updates again; its spans must have the ids they had the first time. So a sequence
// follows from the update: 2 u for the update, 2 u + 1 for the evaluation after it.
export const sequenceOfUpdate = (update: number): number => 2 * update;
export const sequenceOfEvaluation = (update: number): number => 2 * update + 1;

export const pick = <Name extends string>(
  from: Readonly<Record<Name, number>>,
  keys: readonly Name[],
): Record<Name, number> => Object.fromEntries(keys.map((key) => [key, from[key]])) as Record<Name, number>;

/** What a span measured; a metric that an older version did not write is NaN. */
export const numbersOf = <Name extends string>(
  { attributes }: Span,
  keys: readonly Name[],
): Record<Name, number> =>
  Object.fromEntries(
    keys.map((key) => {
      const value = attributes[key];
      return [key, typeof value === "number" ? value : Number.NaN];
    }),
  ) as Record<Name, number>;
