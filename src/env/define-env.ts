import { type AnyFunction, type CapturedOptions, functionText, functionTexts } from "../compile/captured.ts";
import type { FunctionText } from "../compile/program.ts";
import { FulguriteError } from "../gpu/error.ts";
import { type EnvironmentCheck, checkEnvironment, type OwnFunctions } from "./check-environment.ts";
import { type CompiledEnvironment, compileEnvironment } from "./compile-environment.ts";
import type { ActionSpace, GivenAction, Role } from "./environment.ts";
import type { EnvironmentSource } from "./environment-source.ts";

/** A state as functions see it: numbers by name, and lists for names such as "board[36]". */
export type State<Field extends string> = {
  -readonly [K in Field as K extends `${infer Name}[${string}]` ? Name : K]: K extends `${string}[${string}]`
    ? number[]
    : number;
};

/** Random numbers of an episode, by the counter RNG: the same seed gives the same ones on every engine. */
export interface Random {
  /** Uniform in [low, high); default [0, 1). */
  uniform(low?: number, high?: number): number;
  /** Normal; default mean 0, deviation 1. */
  normal(mean?: number, deviation?: number): number;
  /** A whole number from 0 to count - 1. */
  integer(count: number): number;
}

/** What `draw` paints with, in the world's coordinates, y upwards. At most 256 shapes. */
export interface Paint {
  line(x0: number, y0: number, x1: number, y1: number, width: number, role: Role): void;
  /** By its centre. */
  rect(x: number, y: number, width: number, height: number, role: Role): void;
  circle(x: number, y: number, radius: number, role: Role): void;
}

type Text<F> = F | string;
type StepReward<S> = Text<(s: S, a: GivenAction, next: S) => number>;

/** An environment of your own. Functions are of the numeric subset (`compileStepReward` lists it), or their text. */
export interface EnvironmentDefinition<Field extends string = string> {
  /** Shown in lists; default "Own environment". */
  readonly name?: string;
  /** The state's numbers: `["x", "speed"]`, `"board[36]"` for a list. */
  readonly state: readonly Field[];
  /**
   * A count of actions, numbered from 0; or `{ low, high }` for a real number, with `dimensions: 3` for a list of three
   * (`a[0]` to `a[2]`), each within those bounds; or an `ActionSpace`.
   */
  readonly actions:
    number | ActionSpace | { readonly low: number; readonly high: number; readonly dimensions?: number };
  /** Time limit, steps; default 500. It truncates, and does not terminate. */
  readonly steps?: number;
  /** Mean return at which the task counts as solved. */
  readonly threshold?: number;
  /** The start state: returned, `(random) => ({ x: random.uniform(-1, 1) })`, or written into `s`, all zeros before. */
  readonly reset: Text<(random: Random, s: State<Field>) => Partial<State<Field>> | undefined>;
  /** The next state: fields returned, or written into `s`; what is left out stays. */
  readonly step: Text<(s: State<Field>, a: GivenAction, random: Random) => Partial<State<Field>> | undefined>;
  /** What the agent sees, a list of equal length always; default the whole state. */
  readonly observe?: Text<(s: State<Field>) => readonly number[]>;
  /** The reward of a step, or several by name: the agent gets their sum, and each has its own curve. */
  readonly reward: StepReward<State<Field>> | Readonly<Record<string, StepReward<State<Field>>>>;
  /** Whether the state after a step ends the episode; default never. */
  readonly done?: Text<(s: State<Field>) => boolean>;
  /** Whether an action may be taken (at most 32 discrete ones); default always. */
  readonly allowed?: Text<(s: State<Field>, a: GivenAction) => boolean>;
  /** Paints a state; default a bar for every number. */
  readonly draw?: Text<(s: State<Field>, paint: Paint) => void>;
  /** States shown a second; default 30. */
  readonly frameRate?: number;
  /** What of the world is seen: [left, bottom, right, top]; default [-1, -1, 1, 1]. */
  readonly view?: readonly [number, number, number, number];
}

/** A definition whose fields only its functions know. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyDefinition = EnvironmentDefinition<any>;

/** States on which an environment is compared with itself where it is defined. */
const CHECKED_STATES = 256;

/**
 * Compiles an environment from numeric TypeScript, to WGSL for the GPU and WebAssembly for the CPU, and checks it: the
 * compiled functions against an f64 reference and against your own, on states that random play reaches. Outside
 * notebooks what the functions use from around them is passed in `{ constants, functions }`. Throws "compile/..."
 * with line and construct, and "env/invalid".
 */
export function defineEnv<const Field extends string>(
  definition: EnvironmentDefinition<Field>,
  options: CapturedOptions = {},
): CompiledEnvironment {
  return checkedEnvironment(environmentSource(definition, options), ownFunctions(definition)).environment;
}

/** Compiles and checks. */
export function checkedEnvironment(
  source: EnvironmentSource,
  own: OwnFunctions,
): { readonly environment: CompiledEnvironment; readonly check: EnvironmentCheck } {
  const environment = compileEnvironment(source);
  return { environment, check: checkEnvironment(environment, own, { states: CHECKED_STATES, seed: 1 }) };
}

const PARTS = [
  ...(["name", "state", "actions", "steps", "threshold", "reset", "step", "observe"] as const),
  ...(["reward", "done", "allowed", "draw", "frameRate", "view"] as const),
] satisfies (keyof EnvironmentDefinition)[];
const KINDS = ["discrete", "factored", "continuous"];

/** Throws "env/invalid" for what only TypeScript keeps out: a part that is missing, of another type or of another name. */
function validateDefinition(definition: AnyDefinition): void {
  const given = (definition ?? {}) as unknown as Readonly<Record<string, unknown>>;
  const name = typeof given["name"] === "string" ? given["name"] : "Own environment";
  const invalid = (what: string, fix: string): FulguriteError =>
    new FulguriteError("env/invalid", `The environment "${name}" ${what}.`, fix);
  const unknown = Object.keys(given).find((key) => !(PARTS as readonly string[]).includes(key));
  if (unknown !== undefined) throw invalid(`has no part "${unknown}"`, `Its parts are ${PARTS.join(", ")}.`);
  const { state, actions, reward } = given;
  if (!Array.isArray(state) || !state.every((field) => typeof field === "string")) {
    throw invalid("has no list of fields", 'Give their names: `state: ["x", "speed", "board[36]"]`.');
  }
  const space = Object(actions) as Readonly<Record<string, unknown>>;
  const isSpace = "kind" in space ? KINDS.includes(String(space["kind"])) : "low" in space && "high" in space;
  if (typeof actions !== "number" && !isSpace) {
    throw invalid(
      "has no actions",
      "Give their count, `actions: 2`, or a range, `actions: { low: -1, high: 1 }`.",
    );
  }
  const isFunction = (value: unknown): boolean => typeof value === "function" || typeof value === "string";
  const needs = (part: string, value: unknown, example: string): void => {
    if (!isFunction(value)) throw invalid(`has no function \`${part}\``, `Give \`${part}: ${example}\`.`);
  };
  needs("reset", given["reset"], "(random) => ({ x: random.uniform(-1, 1) })");
  needs("step", given["step"], "(s, a) => ({ x: s.x + a })");
  const rewards = typeof reward === "object" && reward !== null ? Object.entries(reward) : [["", reward]];
  for (const [part, value] of rewards as [string, unknown][]) {
    needs(part === "" ? "reward" : `reward.${part}`, value, "(s, a, next) => -next.x");
  }
  for (const [part, example] of [
    ["observe", "(s) => [s.x]"],
    ["done", "(s) => s.x > 1"],
    ["allowed", "(s, a) => a !== 0"],
    ["draw", '(s, paint) => { paint.circle(s.x, 0, 1, "accent"); }'],
  ] as const) {
    if (given[part] !== undefined) needs(part, given[part], example);
  }
}

/** The definition as text. `lineOf` says where in its cell a function's text begins. */
export function environmentSource(
  definition: AnyDefinition,
  options: CapturedOptions = {},
  lineOf: (text: string) => number = () => options.line ?? 1,
): EnvironmentSource {
  validateDefinition(definition);
  const text = (given: Text<AnyFunction>): FunctionText => {
    const { source } = functionText(given);
    return { source, line: lineOf(source) };
  };
  const maybe = (given: Text<AnyFunction> | undefined): FunctionText | null =>
    given === undefined ? null : text(given);
  const { reward, actions } = definition;
  const rewards = typeof reward === "object" ? reward : { reward };
  return {
    name: definition.name ?? "Own environment",
    state: [...definition.state],
    actions:
      typeof actions === "number"
        ? { kind: "discrete", count: actions }
        : "kind" in actions
          ? actions
          : { kind: "continuous", ...actions },
    steps: definition.steps ?? 500,
    threshold: definition.threshold ?? null,
    reset: text(definition.reset),
    step: text(definition.step),
    observe: maybe(definition.observe),
    reward: Object.fromEntries(Object.entries(rewards).map(([name, value]) => [name, text(value)])),
    done: maybe(definition.done),
    allowed: maybe(definition.allowed),
    draw: maybe(definition.draw),
    frameRate: definition.frameRate ?? 30,
    view: definition.view ?? [-1, -1, 1, 1],
    constants: options.constants ?? {},
    functions: functionTexts(options.functions),
  };
}

/** The person's own functions, where they are functions. */
export function ownFunctions(definition: AnyDefinition): OwnFunctions {
  const { reward } = definition;
  const own = (given: unknown): AnyFunction | null =>
    typeof given === "function" ? (given as AnyFunction) : null;
  const rewards = typeof reward === "object" ? Object.values(reward) : [reward];
  return {
    step: own(definition.step),
    observe: own(definition.observe),
    done: own(definition.done),
    allowed: own(definition.allowed),
    rewards: rewards.map(own),
  };
}
