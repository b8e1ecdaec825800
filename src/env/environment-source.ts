import type { Constants, FunctionText, FunctionTexts } from "../compile/program.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { ActionSpace } from "./environment.ts";

/**
 * An environment as text: what is compiled to WGSL, to WebAssembly and to a reference. Plain data, so it travels
 * between realms and is kept with a run. All functions are of the numeric subset (see `compileStepReward`).
 */
export interface EnvironmentSource {
  readonly name: string;
  /** Names of the state's numbers: "x", or "board[36]" for a list. "random" is taken. */
  readonly state: readonly string[];
  readonly actions: ActionSpace;
  /** Time limit in steps; reaching it truncates and does not terminate. */
  readonly steps: number;
  /** Mean return over 100 episodes at which the task counts as solved; null where nobody has said. */
  readonly threshold: number | null;
  /** `(random, s) => ({ x: random.uniform(-1, 1) })`: a start state; `s` is all zeros and may be written instead. */
  readonly reset: FunctionText;
  /** `(s, a, random) => ({ x: s.x + a })`: the next state, or written into `s`; fields left out stay. */
  readonly step: FunctionText;
  /** `(s) => [s.x, Math.sin(s.angle)]`; null: the whole state. */
  readonly observe: FunctionText | null;
  /** `(s, a, next) => number` by name; an agent receives their sum. */
  readonly reward: FunctionTexts;
  /** `(s) => boolean`, of the state after a step: terminated. Null: never. */
  readonly done: FunctionText | null;
  /** `(s, a) => boolean`: whether an action is allowed; null: always. At most 32 discrete actions. */
  readonly allowed: FunctionText | null;
  /** `(s, paint) => { paint.circle(s.x, 0, 0.1, "accent") }`; null: the state's numbers as bars. */
  readonly draw: FunctionText | null;
  /** States shown a second, 1 to 120. */
  readonly frameRate: number;
  /** What of the world is seen: [left, bottom, right, top]. */
  readonly view: readonly [number, number, number, number];
  readonly constants: Constants;
  /** Functions that these call, by name. */
  readonly functions: FunctionTexts;
}

const MAX_TEXT = 400_000;

/** Reads a source from JSON, which may come from anywhere. Throws "env/invalid". */
export function readEnvironmentSource(json: string): EnvironmentSource {
  if (json.length > MAX_TEXT) throw invalid("length");
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch {
    throw invalid("JSON");
  }
  const fields = record(given, "form");
  const [left, bottom, right, top] = list(fields["view"], "view", number);
  if (left === undefined || bottom === undefined || right === undefined || top === undefined) {
    throw invalid("view");
  }
  return {
    name: string(fields["name"], "name").slice(0, 100),
    state: list(fields["state"], "state", string),
    actions: actions(fields["actions"]),
    steps: number(fields["steps"], "steps"),
    threshold: fields["threshold"] === null ? null : number(fields["threshold"], "threshold"),
    reset: text(fields["reset"], "reset"),
    step: text(fields["step"], "step"),
    observe: maybe(fields["observe"], "observe"),
    reward: dictionary(fields["reward"], "reward", text),
    done: maybe(fields["done"], "done"),
    allowed: maybe(fields["allowed"], "allowed"),
    draw: maybe(fields["draw"], "draw"),
    frameRate: number(fields["frameRate"], "frame rate"),
    view: [left, bottom, right, top],
    constants: dictionary(fields["constants"], "constants", (value, what) =>
      Array.isArray(value) ? list(value, what, number) : number(value, what),
    ),
    functions: dictionary(fields["functions"], "functions", text),
  };
}

type Reader<T> = (value: unknown, what: string) => T;

const invalid = (what: string): FulguriteError =>
  new FulguriteError(
    "env/invalid",
    `This is no environment: its ${what} is not as expected.`,
    "Define it with `defineEnv` and pass what that gives.",
  );
const record: Reader<Record<string, unknown>> = (value, what) => {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw invalid(what);
};
const number: Reader<number> = (value, what) => {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw invalid(what);
};
const string: Reader<string> = (value, what) => {
  if (typeof value === "string") return value;
  throw invalid(what);
};
const list = <T>(value: unknown, what: string, item: Reader<T>): T[] => {
  if (Array.isArray(value)) return value.map((element: unknown) => item(element, what));
  throw invalid(what);
};
const dictionary = <T>(value: unknown, what: string, item: Reader<T>): Record<string, T> =>
  Object.fromEntries(
    Object.entries(record(value, what)).map(([name, part]) => [name, item(part, `${what} "${name}"`)]),
  );
const text: Reader<FunctionText> = (value, what) => {
  const { source, line } = record(value, what);
  return { source: string(source, what), line: line === undefined ? 1 : number(line, what) };
};
const maybe: Reader<FunctionText | null> = (value, what) => (value === null ? null : text(value, what));

function actions(value: unknown): ActionSpace {
  const { kind, count, counts, low, high, dimensions } = record(value, "actions");
  const what = "actions";
  if (kind === "discrete") return { kind, count: number(count, what) };
  if (kind === "factored") return { kind, counts: list(counts, what, number) };
  if (kind === "continuous") {
    const bounds = { kind, low: number(low, what), high: number(high, what) } as const;
    return dimensions === undefined ? bounds : { ...bounds, dimensions: number(dimensions, what) };
  }
  throw invalid(what);
}
