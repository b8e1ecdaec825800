import { parseArgs } from "node:util";
import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import { hostOf } from "../notebook/host-of.ts";
import { offerThreads } from "../train/create-engine.ts";
import { nodeThreads } from "../train/node-threads.ts";
import type { JobOverrides } from "../train/override-job.ts";
import { checkNotebooks } from "./check.ts";
import { convertNotebook, exportFormats, exportNotebook, type ExportFormat } from "./convert.ts";
import { runNotebook } from "./run.ts";
import { trainNotebook } from "./train.ts";
import { openWorkspace, saveWorkspace } from "./workspace.ts";

const usage = `fulgurite — train agents by reinforcement learning

  fulgurite run <notebook> [options]       run its cells, in headless Chromium, in the sandbox of the page
  fulgurite check <notebook>... [options]  find what is wrong with it, and run its test cells
  fulgurite train <notebook> [options]     run its training cell in this process, with progress
  fulgurite export <notebook> --to <format>   html (one file), ipynb, md, ts or js
  fulgurite save <folder> --out <file>     everything that a store holds as one file, for any page or folder
  fulgurite open <file> --store <folder>   take over what such a file holds; what is there stays
  fulgurite convert <file>                 make a notebook of .ipynb, Markdown, a module or an older notebook

<notebook> is the name of one that ships with Fulgurite (cartpole, environments, strings, text-to-sql)
or a path to a file.
Cells run in a sandbox that reaches nothing. With --trusted, and always with train, they run in this process with
its rights: only for notebooks that you trust.

run
  --cell <id>              only this cell and what it needs; several with commas between them
  --all                    lazy cells too
  --quick                  cut trainings to two small updates, answers to two tokens: does the notebook run to its end?
  --wait <seconds>         how long async generators may go on publishing values once all else has ended (default: 30);
                           then they are stopped, which is said and is no failure
run and check
  --trusted                in this process instead of the sandbox
  --allow-net <host>       let cells reach this host; may be repeated
check
  --static                 only read it
train
  --cell <id>              the cell to run (default: "training", else the last lazy one)
  --record                 write the results beside the notebook, for pages that open it
  --threads <n>            threads of the CPU's language engine (default: one a core, up to 4); the same results
run --trusted and train
  --store <folder>         keep runs and traces there (default: they go with the process)
  --resume                 go on with the cell's newest run there that has not ended, as it was started (run: with --cell)
run and train
  --seed <n>               override the seed
  --steps <n>              override the number of environment steps or rollouts
  --engine auto|webgpu|cpu override the engine
export and convert
  --out <file>             where to write; - for standard output
run, check and train
  --json                   print one JSON object with the result on standard output

--help prints this. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
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

/** A host as it is granted, from one that a person wrote, also with its address around it. */
function hostName(text: string): string {
  const host = hostOf(text.includes("://") ? text : `https://${text}`);
  if (host !== null && (text.includes("://") || host === text.toLowerCase())) return host;
  throw new FulguriteError(
    "cli/usage",
    `--allow-net ${text} names no host.`,
    "Pass one, like --allow-net api.example.com or --allow-net localhost:8080.",
  );
}

const options = {
  cell: { type: "string" },
  all: { type: "boolean", default: false },
  quick: { type: "boolean", default: false },
  trusted: { type: "boolean", default: false },
  static: { type: "boolean", default: false },
  "allow-net": { type: "string", multiple: true },
  seed: { type: "string" },
  steps: { type: "string" },
  engine: { type: "string" },
  threads: { type: "string" },
  wait: { type: "string" },
  to: { type: "string" },
  out: { type: "string" },
  store: { type: "string" },
  json: { type: "boolean", default: false },
  record: { type: "boolean", default: false },
  resume: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Options by the commands that take them; the others refuse them instead of ignoring them. */
const taken: Readonly<Record<string, readonly (keyof typeof options)[]>> = {
  run: [
    ...([
      "cell",
      "all",
      "quick",
      "wait",
      "trusted",
      "allow-net",
      "seed",
      "steps",
      "engine",
      "store",
    ] as const),
    ...(["resume", "json"] as const),
  ],
  check: ["static", "trusted", "allow-net", "json"],
  train: ["cell", "seed", "steps", "engine", "threads", "json", "record", "store", "resume"],
  export: ["to", "out"],
  save: ["out"],
  open: ["store"],
  convert: ["out"],
};

const wrong = (message: string, fix = "Run `fulgurite --help` for what there is."): FulguriteError =>
  new FulguriteError("cli/usage", message, fix);

/** Runs the command line; resolves with the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    const [command, notebook, ...rest] = positionals;
    if (values.help || command === undefined) {
      console.log(usage);
      return values.help ? 0 : 2;
    }
    const known = taken[command];
    if (!known) throw wrong(`There is no command "${command}".`);
    for (const name of Object.keys(values) as (keyof typeof options)[]) {
      const given = values[name];
      if (given !== undefined && given !== false && !known.includes(name)) {
        throw wrong(`${command} does not take --${name}.`);
      }
    }
    if (notebook === undefined || (rest.length > 0 && command !== "check")) {
      throw wrong(
        `${command} takes one ${command === "save" ? "folder" : command === "open" ? "file" : "notebook"}.`,
      );
    }
    const { cell, all, quick, trusted, json, record, resume, to, out, engine, store } = values;
    if (engine !== undefined && engine !== "auto" && engine !== "webgpu" && engine !== "cpu") {
      throw wrong(`There is no engine "${engine}".`, "Use auto, webgpu or cpu.");
    }
    const seed = wholeNumber("seed", values.seed, 0);
    const steps = wholeNumber("steps", values.steps, 1);
    const threads = wholeNumber("threads", values.threads, 1);
    const wait = wholeNumber("wait", values.wait, 0) ?? 30;
    if (threads !== undefined) offerThreads(nodeThreads(threads));
    const overrides: JobOverrides = {
      ...(seed === undefined ? {} : { seed }),
      ...(steps === undefined ? {} : { steps }),
      ...(engine === undefined ? {} : { engine }),
      ...(quick ? { quick } : {}),
    };
    const hosts = (values["allow-net"] ?? []).map(hostName);
    if (resume && store === undefined)
      throw wrong("--resume needs a folder.", "Pass --store, like --store runs.");
    if (resume && Object.keys(overrides).length > 0)
      throw wrong(
        "--resume goes on as the run was started.",
        "Leave out --seed, --steps, --engine and --quick.",
      );
    switch (command) {
      case "run":
        if (store !== undefined && !trusted) {
          throw wrong("run keeps a store with --trusted only.", "Pass --trusted too, or use train.");
        }
        if (resume && cell === undefined)
          throw wrong("run resumes one cell's run.", "Pass --cell, like --cell training.");
        return await runNotebook({
          ...{ notebook, cell, all, trusted, hosts, wait, overrides, json, store, resume },
        });
      case "check":
        return await checkNotebooks({
          notebooks: [notebook, ...rest],
          static: values.static,
          ...{ trusted, hosts, json },
        });
      case "export":
        if (!(exportFormats as readonly (string | undefined)[]).includes(to)) {
          throw wrong("export needs a format.", `Pass --to ${exportFormats.join(", ")}.`);
        }
        return await exportNotebook({ notebook, to: to as ExportFormat, out });
      case "save":
        if (out === undefined) throw wrong("save needs a file.", "Pass --out, like --out runs.fulgurite.");
        return await saveWorkspace(notebook, out);
      case "open":
        if (store === undefined) throw wrong("open needs a folder.", "Pass --store, like --store runs.");
        return await openWorkspace(notebook, store);
      case "convert":
        return await convertNotebook(notebook, out);
      default:
        return await trainNotebook({ notebook, cell, overrides, json, record, store, resume });
    }
  } catch (error) {
    const parse =
      error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    const { code, message, fix } = parse ? wrong(error.message) : asFulguriteError(error);
    console.error(`${message}\n${fix} [${code}]`);
    return code === "cli/usage" ? 2 : 1;
  }
}
