import type { Constants, FunctionText, FunctionTexts } from "../compile/program.ts";
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
  /** What of the world is seen: [left, bottom, right, top]. */
  readonly view: readonly [number, number, number, number];
  readonly constants: Constants;
  /** Functions that these call, by name. */
  readonly functions: FunctionTexts;
}
