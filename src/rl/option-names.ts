import { FulguriteError } from "../gpu/error.ts";

const trainOptions = ["env", "reward", "cost", "loss", "seed", "engine"];

/**
 * Throws `code` where an option of the function `of` has no name that is known: it would be left aside, and the default
 * taken. Cells are not checked for types before they run.
 */
export function checkNames(
  of: string,
  options: object,
  known: readonly string[],
  code = "rl/invalid-config",
): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const fix =
    code === "rl/invalid-config" && trainOptions.includes(unknown)
      ? `Pass it to train, beside the algorithm: \`train({ ${unknown}, algorithm: ${of}() })\`.`
      : `It has ${known.join(", ")}.`;
  throw new FulguriteError(code, `${of}() has no option "${unknown}".`, fix);
}
