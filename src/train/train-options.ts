import { FulguriteError } from "../gpu/error.ts";

/** Options of `train` itself, whatever it trains. */
const settings = ["seed", "name", "engine", "store", "onEvent", "signal"];

/** Throws "train/invalid" where an option has no name that is known: it would be left aside. `what`: "for an agent". */
export function checkTrainOptions(options: object, what: string, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name) && !settings.includes(name));
  if (unknown === undefined) return;
  throw new FulguriteError(
    "train/invalid",
    `train() has no option "${unknown}" ${what}.`,
    `It has ${[...known, ...settings.slice(0, 3)].join(", ")}.`,
  );
}
