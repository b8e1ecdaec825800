import type { Run } from "../store/records.ts";

/** A list longer than this is told by its length. */
const LISTED = 8;

/** The text of a setting that is null. */
export const UNSET = "none";

/**
 * Every leaf of a job by its path: "algorithm.gamma" -> "0.99". Long lists are told by their length; what goes from a
 * start to an end over the run is one setting.
 */
export function settings(job: unknown): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (value: unknown, path: string): void => {
    // Where a text stands in its cell says nothing of the run.
    if (path.endsWith(".line")) return;
    const own = path === "environment" ? environmentOf(value) : null;
    if (own) {
      const { name, ...parts } = own;
      found.set(path, String(name));
      for (const [key, part] of Object.entries(parts)) if (key !== "id") visit(part, `${path}.${key}`);
    } else if ((path === "cost" || path === "loss") && value !== null && typeof value === "object") {
      const { source, ...captured } = value as { readonly source: string };
      found.set(path, source);
      for (const [key, part] of Object.entries(captured)) visit(part, `${path}.${key}`);
    } else if (value === null || typeof value !== "object") {
      found.set(path, value === null ? UNSET : String(value));
    } else if (Array.isArray(value)) {
      const short = value.length <= LISTED && value.every((entry) => typeof entry !== "object");
      found.set(path, short ? value.join(" · ") : `${value.length} entries`);
    } else if (isSchedule(value)) {
      found.set(path, value.start === value.end ? String(value.start) : `${value.start} to ${value.end}`);
    } else {
      for (const [key, entry] of Object.entries(value)) visit(entry, path === "" ? key : `${path}.${key}`);
    }
  };
  visit(job, "");
  return found;
}

/** What an environment of one's own is made of; null for one that ships, which is its name. */
function environmentOf(reference: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof reference !== "string" || !reference.startsWith("{")) return null;
  try {
    const { host, ...parts } = JSON.parse(reference) as { readonly host?: Readonly<Record<string, unknown>> };
    return host ?? parts;
  } catch {
    // A run from a file may say anything.
    return null;
  }
}

const isSchedule = (value: object): value is { readonly start: number; readonly end: number } =>
  Object.keys(value).sort().join() === "end,start" &&
  Object.values(value).every((one) => typeof one === "number");

const OWN = /^environment\./;
/** Characters of a reward's expression in a label. */
const LABELLED = 24;

/** Paths that change with every edit and say nothing by themselves. */
const ignored = new Set(["name", "kind", "sweepRun"]);

/** `short` is the run's number, counted from the oldest; `full` what sets it apart, where anything does. */
export interface RunLabel {
  readonly short: string;
  readonly full: string;
}

/**
 * Labels that tell runs of one cell apart by what differs between them, and else by when they began.
 * `runs` are newest first; the labels come in the same order.
 */
export function runLabels(runs: readonly Run[]): RunLabel[] {
  const all = runs.map((run) => settings(run.job));
  const paths = new Set(all.flatMap((map) => [...map.keys()]));
  const differing = [...paths].filter(
    (path) => !ignored.has(path) && new Set(all.map((map) => map.get(path))).size > 1,
  );
  const codes = {
    reward: rewardWords(all),
    agent: numbered(all, (map) => map.get("agent.code") ?? ""),
    environment: numbered(all, (map) => JSON.stringify([...map].filter(([path]) => OWN.test(path)))),
  };
  const differences = all.map((map) => {
    const parts = new Set<string>();
    for (const path of differing) {
      const [part] = path.split(".");
      if ((part === "reward" && !path.startsWith("reward.constants.")) || part === "agent") {
        parts.add(`${part} ${codes[part](map)}`);
      } else if (part === "environment" && path !== part) {
        // Names that differ say it already.
        if (!differing.includes(part)) parts.add(`${part} ${codes[part](map)}`);
      } else {
        parts.add(`${path.split(".").at(-1)!} ${map.get(path) ?? "–"}`);
      }
    }
    return [...parts].slice(0, 2).join(", ");
  });
  return differences.map((difference, i) => {
    const short = `run ${runs.length - i}`;
    if (difference === "") return { short, full: short };
    const unique = differences.filter((other) => other === difference).length === 1;
    return { short, full: unique ? difference : `${short}: ${difference}` };
  });
}

/** The text of the reward that a job trains on, with the numbers it captured; "" for the environment's own. */
export function rewardText(job: unknown): string {
  const { reward } = (job ?? {}) as { readonly reward?: unknown };
  if (typeof reward !== "object" || reward === null) return "";
  const { source, constants, code } = reward as Readonly<Record<string, unknown>>;
  if (typeof code === "string") return code;
  const numbers = Object.entries(constants ?? {}).map(
    ([name, value]) => `const ${name} = ${String(value)};\n`,
  );
  return numbers.join("") + String(source);
}

/** A reward by the beginning of its expression, or, where that does not tell all of them apart, by number. */
function rewardWords(all: readonly Map<string, string>[]): (map: Map<string, string>) => string | number {
  const code = (map: Map<string, string>): string => map.get("reward.source") ?? map.get("reward.code") ?? "";
  const number = numbered(all, code);
  const short = (map: Map<string, string>): string => {
    const text = code(map).replace(/\s+/g, " ");
    const body = text.replace(/^\([^()]*\) => /, "");
    return map.has("reward.source") ? (body.length > LABELLED ? `${body.slice(0, LABELLED)}…` : body) : "";
  };
  const isEnough = new Set(all.map(short)).size === new Set(all.map(code)).size;
  return (map) => (isEnough ? short(map) || "of the task" : number(map));
}

/** Numbers versions of code from the oldest, 1; `all` are newest first. */
function numbered(
  all: readonly Map<string, string>[],
  code: (map: Map<string, string>) => string,
): (map: Map<string, string>) => number {
  const versions = [...new Set(all.map(code).reverse())];
  return (map) => versions.indexOf(code(map)) + 1;
}

/** A new list; ids sort by creation. */
export const newestFirst = (runs: readonly Run[]): Run[] => [...runs].sort((a, b) => (a.id < b.id ? 1 : -1));
