import type { Constants, FunctionTexts } from "../compile/program.ts";
import { cartPole } from "../env/cartpole.ts";
import { type EnvironmentSource, readEnvironmentSource } from "../env/environment-source.ts";
import * as environments from "../env/environments.ts";
import { isHostReference } from "../env/host-environment.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { RewardSource, SimulatedJob } from "../train/job.ts";
import { compose, type ComposedCell } from "./formats/compose.ts";

/** Calls that make the environments that ship with us, by reference. */
const calls = new Map<string, string>(
  Object.entries({
    cartPole,
    acrobot: environments.acrobot,
    mountainCar: environments.mountainCar,
    mountainCarContinuous: environments.mountainCarContinuous,
    pendulum: environments.pendulum,
    frozenLake: environments.frozenLake,
    catchBall: environments.catchBall,
    snake: environments.snake,
  }).map(([name, make]) => {
    const { reference, name: own } = make();
    return [reference ?? own, `${name}()`];
  }),
);

/**
 * A notebook that does what a run did: its environment, reward, cost and loss as they were, every setting of its
 * algorithm, and its seed. Run on the same engine and adapter it gives the same bits. Throws "share/run" where two
 * of its parts know different things by one name.
 */
export function notebookOfRun(name: string, job: SimulatedJob): string {
  const captured = new Map<string, string>();
  const capture = (constants: Constants, functions: FunctionTexts = {}): void => {
    const texts = Object.entries(functions).map(([key, { source }]): [string, string] => [key, source]);
    const values = Object.entries(constants).map(([key, value]): [string, string] => [
      key,
      JSON.stringify(value),
    ]);
    for (const [key, text] of [...values, ...texts]) {
      if ((captured.get(key) ?? text) !== text) {
        throw new FulguriteError(
          "share/run",
          `Two parts of this run know different things as \`${key}\`.`,
          "Share the notebook itself.",
        );
      }
      captured.set(key, text);
    }
  };
  const step = (definer: string, source: RewardSource | null | undefined): string | null => {
    if (!source) return null;
    capture(source.constants, source.functions);
    return `${definer}(${source.source})`;
  };
  const parts: Record<string, string | null> = {
    environment: environmentCall(job.environment, capture),
    reward: step("defineReward.step", job.reward),
    cost: step("defineReward.step", job.cost),
    loss: step("defineLoss", job.loss),
  };
  const given = Object.entries(parts).flatMap(([part, text]) => (text === null ? [] : [{ part, text }]));
  const options = given.map(({ part }) => (part === "environment" ? "env: environment" : part));
  const { algorithm, seed, engine } = job;
  const training = `export const run = await train({
  ${options.join(",\n  ")},
  algorithm: ${indent(literal(algorithm))},
  seed: ${seed},
  engine: ${JSON.stringify(engine)},
  name: ${JSON.stringify(job.name)},
});`;
  const constants = [...captured].map(([key, text]) => `export const ${key} = ${text};`).join("\n");
  const cells: ComposedCell[] = [
    {
      kind: "md",
      id: "about",
      source: `# ${name.replaceAll("\n", " ")}\n\nOne training run with everything that it depends on: every setting and the seed. On the same engine it ends with the same policy.`,
    },
    ...(constants === "" ? [] : [{ kind: "code", id: "numbers", source: constants } as const]),
    ...given.map(({ part, text }) => ({
      kind: "code" as const,
      id: part,
      source: `export const ${part} = ${text};`,
    })),
    { kind: "code", id: "training", flags: ["lazy"], source: training },
  ];
  return compose(cells, `// fulgurite: 1\nimport { ${namesIn(cells).join(", ")} } from "fulgurite";\n`);
}

const offered = [...[...calls.values()].map((call) => call.slice(0, -2)), "defineEnv", "defineLoss"];

/** What the cells call of ours. */
const namesIn = (cells: readonly ComposedCell[]): string[] =>
  [...offered, "defineReward", "train"]
    .filter((name) => cells.some(({ kind, source }) => kind === "code" && source.includes(`${name}(`)))
    .concat(cells.some(({ source }) => source.includes("defineReward.step(")) ? ["defineReward"] : [])
    .filter((name, i, all) => all.indexOf(name) === i);

function environmentCall(
  reference: string,
  capture: (constants: Constants, functions: FunctionTexts) => void,
): string {
  const call = calls.get(reference);
  if (call !== undefined) return call;
  if (isHostReference(reference)) {
    throw new FulguriteError(
      "share/run",
      "The code of this run's environment is in a cell of its notebook, and not in the run.",
      "Share the notebook itself.",
    );
  }
  const source: EnvironmentSource = readEnvironmentSource(reference);
  capture(source.constants, source.functions);
  const { name, state, actions, steps, threshold, frameRate, view, reward } = source;
  const { reset, step, observe, done, allowed, draw } = source;
  const rewards = Object.entries(reward).map(([key, { source: text }]) => `${JSON.stringify(key)}: ${text}`);
  const optional = Object.entries({ observe, done, allowed, draw }).flatMap(([key, value]) =>
    value ? [`${key}: ${value.source}`] : [],
  );
  return `defineEnv({
  ${[
    ...Object.entries({ name, state, actions, steps, frameRate, view }).map(
      ([key, value]) => `${key}: ${JSON.stringify(value)}`,
    ),
    ...(threshold === null ? [] : [`threshold: ${threshold}`]),
    `reset: ${reset.source}`,
    `step: ${step.source}`,
    `reward: { ${rewards.join(", ")} }`,
    ...optional,
  ].join(",\n  ")},
})`;
}

/** Settings one a line, keys without quotes; lists and inner objects on one. */
const literal = (settings: object): string =>
  `{\n${Object.entries(settings)
    .map(([key, value]) => `  ${key}: ${JSON.stringify(value)},`)
    .join("\n")}\n}`;

const indent = (text: string): string => text.replaceAll("\n", "\n  ");
