import { FulguriteError } from "../gpu/error.ts";

/** Code as it travels to a worker: text and cloneable values, never a function. */
export interface CodeSource {
  /** Body of a classic script that defines the entry and everything it uses; evaluated anew for every rollout. */
  readonly code: string;
  /** Expression over the code's names that gives the agent function or the reward. */
  readonly entry: string;
  /** Cloneable values that the code captured, by name; every rollout gets a copy. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Body of a classic script evaluated once a worker, its names visible to `code`: SDKs and other libraries. */
  readonly library?: string;
  /** Shipped packages that the library asks for by name, with `$package(name)`; their text does not travel with it. */
  readonly packages?: readonly string[];
}

/** An agent: `async (task, { llm, emit, signal }) => result`. */
export type AgentSource = CodeSource;

/** A reward: a function of `(task, result, transcript)`, or `{ name: { weight, score } }` of such functions. */
export type RewardSource = CodeSource;

/** Text of a worker's script, and where the person's code begins in it. */
export interface WorkerScript {
  readonly text: string;
  /** Line of the script before the first of `code`. */
  readonly lineOffset: number;
  /** Values in the order of the script's parameters. */
  readonly values: readonly unknown[];
}

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/**
 * The script of a worker: `runtime` is the text of a function that is called, before anything of the person's
 * runs, with one that prepares the code.
 */
export function workerScript(runtime: string, source: CodeSource): WorkerScript {
  const names = Object.keys(source.values);
  const wrong = names.find((name) => !identifier.test(name));
  if (wrong !== undefined) {
    throw new FulguriteError(
      "runner/invalid-name",
      `"${wrong}" cannot be the name of a value that code uses.`,
      "Rename it to a JavaScript identifier.",
    );
  }
  const head = `(${runtime})(() => {\n${source.library ?? ""}\n;return (${names.join(", ")}) => {\n`;
  return {
    text: `${head}${source.code}\n;return (${source.entry}\n);\n};\n});\n//# sourceURL=fulgurite-cell.js\n`,
    lineOffset: head.split("\n").length - 1,
    values: Object.values(source.values),
  };
}
