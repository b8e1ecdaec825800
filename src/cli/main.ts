import { parseArgs } from "node:util";
import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import { trainNotebook } from "./train.ts";

const usage = `fulgurite — train agents by reinforcement learning

  fulgurite train <notebook> [options]   run a notebook's training cell

<notebook> is the name of one that ships with Fulgurite (cartpole, strings) or a path to a .nb.ts file.
A notebook's cells run in this process, with its rights: train only notebooks that you trust.

  --cell <id>              the cell to run (default: "training", else the last lazy one)
  --seed <n>               override the seed
  --steps <n>              override the number of environment steps or rollouts
  --engine auto|webgpu|cpu override the engine
  --record                 write the results beside the notebook, for pages that open it
  --json                   print one JSON object with the result on standard output
  --help                   print this
`;

function wholeNumber(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= 0xffffffff) return value;
  throw new FulguriteError(
    "cli/usage",
    `--${name} ${text} is not a whole number from ${least} to 4294967295.`,
    `Pass one, like --${name} 1.`,
  );
}

/** Runs the command line; resolves with the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        cell: { type: "string" },
        seed: { type: "string" },
        steps: { type: "string" },
        engine: { type: "string" },
        json: { type: "boolean", default: false },
        record: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const [command, notebook, ...rest] = positionals;
    if (values.help || command === undefined) {
      console.log(usage);
      return values.help ? 0 : 2;
    }
    if (command !== "train" || notebook === undefined || rest.length > 0) {
      throw new FulguriteError(
        "cli/usage",
        command === "train" ? "train takes one notebook." : `There is no command "${command}".`,
        "Run `fulgurite --help` for what there is.",
      );
    }
    const { cell, seed, steps, engine, json, record } = values;
    if (engine !== undefined && engine !== "auto" && engine !== "webgpu" && engine !== "cpu") {
      throw new FulguriteError("cli/usage", `There is no engine "${engine}".`, "Use auto, webgpu or cpu.");
    }
    return await trainNotebook({
      notebook,
      cell,
      seed: wholeNumber("seed", seed, 0),
      steps: wholeNumber("steps", steps, 1),
      engine,
      json,
      record,
    });
  } catch (error) {
    const parse =
      error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    const { code, message, fix } = parse
      ? { code: "cli/usage", message: error.message, fix: "Run `fulgurite --help` for what there is." }
      : asFulguriteError(error);
    console.error(`${message}\n${fix} [${code}]`);
    return code === "cli/usage" ? 2 : 1;
  }
}
