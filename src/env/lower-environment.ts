import { actionParameter, foldProgram } from "../compile/forms.ts";
import type { IrFunction } from "../compile/ir.ts";
import { elementNames, type Layout, parseLayout } from "../compile/layout.ts";
import { type EntryOptions, type FunctionText, Program } from "../compile/program.ts";
import { FulguriteError } from "../gpu/error.ts";
import { actionSize } from "./environment.ts";
import type { EnvironmentSource } from "./environment-source.ts";
import { painterFunctions } from "./painter.ts";

/** The functions of an environment in one form. Parameters as in `EnvironmentSource`; lists come last. */
export interface EnvironmentFunctions {
  readonly reset: IrFunction;
  readonly step: IrFunction;
  readonly observe: IrFunction | null;
  readonly rewards: readonly IrFunction[];
  readonly done: IrFunction | null;
  readonly allowed: IrFunction | null;
  readonly draw: IrFunction | null;
}

export interface LoweredEnvironment {
  /** The declared fields. */
  readonly layout: Layout;
  /** Names of all elements: the declared ones, then "random[0..2]" where `step` draws. */
  readonly stateFields: readonly string[];
  /** Where the state keeps its random numbers' key and count: three elements; null where it has none. */
  readonly randomAt: number | null;
  readonly observationSize: number;
  readonly rewardNames: readonly string[];
  /** As written, for the reference. */
  readonly written: EnvironmentFunctions;
  /** For engines. */
  readonly folded: EnvironmentFunctions;
}

/** Text -> intermediate form, all functions of an environment in one program. Throws "compile/..." and "env/invalid". */
export function lowerEnvironment(source: EnvironmentSource): LoweredEnvironment {
  const layout = parseLayout(source.state);
  if (layout.fields.has("random")) {
    throw new FulguriteError(
      "env/invalid",
      'The state has a field "random", which is the name of the random numbers\' own.',
      "Give it another name.",
    );
  }
  const program = new Program(source.constants, { ...painterFunctions, ...source.functions });
  const state = { kind: "state", layout, writable: false } as const;
  const written = { kind: "state", layout, writable: true } as const;
  const action = actionParameter(actionSize({ actionCount: 0, actions: source.actions }));
  const entries: ReturnType<Program["entry"]>[] = [];
  const lower = (text: FunctionText | null, options: EntryOptions): number => {
    if (!text) return -1;
    entries.push(program.entry(text, options));
    return entries.length - 1;
  };
  const reset = lower(source.reset, {
    name: "env_initial",
    label: "reset",
    parameters: ["random", written],
    signature: "two parameters, `(random, s)`",
    result: "state",
  });
  const step = lower(source.step, {
    name: "env_next",
    label: "step",
    parameters: [written, action, "random"],
    signature: "three parameters, `(s, a, random)`",
    result: "state",
  });
  const observe = lower(source.observe, {
    name: "env_observation",
    label: "observe",
    parameters: [state],
    signature: "one parameter, `(s)`",
    result: "list",
  });
  const rewardNames = Object.keys(source.reward);
  const rewards = rewardNames.map((name, i) =>
    lower(source.reward[name]!, {
      name: `env_reward${i}`,
      label: name === "reward" ? name : `reward.${name}`,
      parameters: [state, action, state],
      signature: "three parameters, `(s, a, next)`",
      result: "f32",
    }),
  );
  const done = lower(source.done, {
    name: "env_done",
    label: "done",
    parameters: [state],
    signature: "one parameter, `(s)`",
    result: "bool",
  });
  const allowed = lower(source.allowed, {
    name: "env_allowed",
    label: "allowed",
    parameters: [state, "f32"],
    signature: "two parameters, `(s, a)`",
    result: "bool",
  });
  const draw = lower(source.draw, {
    name: "env_draw_scene",
    label: "draw",
    parameters: [state, "paint"],
    signature: "two parameters, `(s, paint)`",
    result: "any",
  });
  const all = entries.map(({ lowered }) => lowered);
  const folded = foldProgram(program, entries);
  const pick = (forms: readonly IrFunction[]): EnvironmentFunctions => ({
    reset: forms[reset]!,
    step: forms[step]!,
    observe: forms[observe] ?? null,
    rewards: rewards.map((index) => forms[index]!),
    done: forms[done] ?? null,
    allowed: forms[allowed] ?? null,
    draw: forms[draw] ?? null,
  });
  const functions = pick(folded);
  const names = elementNames(layout);
  const draws = functions.step.draws;
  const observed = functions.observe?.locals[functions.observe.parameterCount - 1]?.type;
  return {
    layout,
    stateFields: draws ? [...names, "random[0]", "random[1]", "random[2]"] : names,
    randomAt: draws ? names.length : null,
    observationSize: typeof observed === "object" ? observed.length : names.length,
    rewardNames,
    written: pick(all),
    folded: functions,
  };
}
