import { interpretF32 } from "../compile/interpret.ts";
import { SCENE_SIZE } from "../compile/scene-list.ts";
import { FulguriteError } from "../gpu/error.ts";
import { actionSize, MAX_DIMENSIONS, type Environment, type Scene } from "./environment.ts";
import type { EnvironmentSource } from "./environment-source.ts";
import { environmentWgsl } from "./environment-wgsl.ts";
import { type LoweredEnvironment, lowerEnvironment } from "./lower-environment.ts";
import { barScene, shapesOf } from "./painter.ts";
import { EnvironmentTwin } from "./twin.ts";

const MAX_ACTIONS = 256;
const MAX_MASKED = 32;

/** An environment compiled from its text. */
export interface CompiledEnvironment extends Environment {
  readonly source: EnvironmentSource;
  readonly lowered: LoweredEnvironment;
}

/** Text -> WGSL and f32 twin. Throws "compile/..." with line and construct, and "env/invalid". */
export function compileEnvironment(source: EnvironmentSource): CompiledEnvironment {
  validate(source);
  const lowered = lowerEnvironment(source);
  const { actions } = source;
  const actionCount =
    actions.kind === "discrete"
      ? actions.count
      : actions.kind === "factored"
        ? actions.counts.reduce((product, count) => product * count, 1)
        : 0;
  const wgsl = environmentWgsl(lowered, actions);
  // Most realms only read what an environment is.
  let made: EnvironmentTwin | undefined;
  const twin = (): EnvironmentTwin =>
    (made ??= new EnvironmentTwin(lowered, actionSize({ actionCount, actions })));
  const allowed = lowered.folded.allowed && {
    mask: (state: Float32Array, offset: number) => twin().mask(state, offset, actionCount),
  };
  return {
    name: source.name,
    source,
    lowered,
    stateFields: lowered.stateFields,
    observationSize: lowered.observationSize,
    actionCount,
    actions,
    maxEpisodeSteps: source.steps,
    rewardThreshold: source.threshold ?? NaN,
    frameRate: source.frameRate,
    wgsl,
    reference: JSON.stringify(source),
    rewardComponents: {
      names: lowered.rewardNames,
      evaluate: (s, sAt, action, next, nextAt, out) => {
        twin().rewards(s, sAt, action, next, nextAt, out);
      },
    },
    ...allowed,
    reset: (state, offset, random) => {
      twin().reset(state, offset, random);
    },
    step: (state, offset, action, out) => {
      twin().step(state, offset, action, out);
    },
    observe: (state, offset, observation, at) => {
      twin().observe(state, offset, observation, at);
    },
    scene: sceneOf(lowered, source),
  };
}

function sceneOf(
  { folded, layout }: LoweredEnvironment,
  { view }: EnvironmentSource,
): (state: ArrayLike<number>, offset: number) => Scene {
  const { draw } = folded;
  if (!draw) return (state, offset) => barScene(state, offset, layout.size);
  const frame = interpretF32(draw);
  const list = new Float32Array(SCENE_SIZE);
  return (state, offset) => {
    list[0] = 0;
    frame.arrays[0] = state;
    frame.offsets[0] = offset;
    frame.arrays[1] = list;
    frame.run();
    return { view, shapes: shapesOf(list) };
  };
}

function validate({ name, actions, steps, reward, allowed, view, frameRate }: EnvironmentSource): void {
  const invalid = (what: string, fix: string): FulguriteError =>
    new FulguriteError("env/invalid", `The environment "${name}" ${what}.`, fix);
  const whole = (count: number, most: number): boolean =>
    Number.isInteger(count) && count >= 1 && count <= most;
  if (actions.kind === "continuous") {
    const { low, high } = actions;
    if (!(Number.isFinite(low) && Number.isFinite(high) && low < high)) {
      throw invalid("has no range of actions", "Give `{ low: -2, high: 2 }`, low below high.");
    }
    if (!whole(actions.dimensions ?? 1, MAX_DIMENSIONS)) {
      throw invalid("has no usable number of dimensions", `Use 1 to ${MAX_DIMENSIONS}.`);
    }
  } else {
    const counts = actions.kind === "discrete" ? [actions.count] : actions.counts;
    const product = counts.reduce((all, count) => all * count, 1);
    if (counts.length === 0 || !counts.every((count) => whole(count, MAX_ACTIONS)) || product > MAX_ACTIONS) {
      throw invalid("has no usable number of actions", `Use 1 to ${MAX_ACTIONS} actions.`);
    }
  }
  if (allowed && (actions.kind !== "discrete" || actions.count > MAX_MASKED)) {
    throw invalid(
      "cannot forbid actions",
      `Use at most ${MAX_MASKED} discrete actions, or leave out \`allowed\`.`,
    );
  }
  if (!whole(steps, 1_000_000)) throw invalid("has no time limit", "Give `steps`, from 1 to 1,000,000.");
  if (Object.keys(reward).length === 0)
    throw invalid("has no reward", "Give `reward: (s, a, next) => number`.");
  if (!(frameRate >= 1 && frameRate <= 120)) {
    throw invalid("is shown too slowly or too fast", "Give `frameRate`, from 1 to 120 states a second.");
  }
  const [left, bottom, right, top] = view;
  if (!(left < right && bottom < top)) {
    throw invalid(
      "shows nothing",
      "Give `view: [left, bottom, right, top]`, left below right and bottom below top.",
    );
  }
}
