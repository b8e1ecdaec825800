import { FulguriteError } from "../gpu/error.ts";
import {
  acrobot,
  banditSource,
  catchBall,
  frozenLake,
  gridWorldSource,
  mountainCar,
  mountainCarContinuous,
  pendulum,
  snake,
} from "./built-in/index.ts";
import { cartPole } from "./cartpole.ts";
import { compileEnvironment } from "./compile-environment.ts";
import type { Environment } from "./environment.ts";
import { environmentFrom } from "./environment-from.ts";
import { environmentOfHost, isHostReference } from "./host-environment.ts";
import { type EnvironmentSource, readEnvironmentSource } from "./environment-source.ts";

const MAX_MADE = 40;

const sources: readonly EnvironmentSource[] = [
  acrobot,
  mountainCar,
  mountainCarContinuous,
  pendulum,
  frozenLake,
  environmentFrom(gridWorldSource({})),
  catchBall,
  snake,
  environmentFrom(banditSource({})),
];
/** Made when first asked for. */
const made = new Map<string, Environment>([[cartPole().name, cartPole()]]);

/** Names that `environmentByName` knows. */
export const environmentNames: readonly string[] = [cartPole().name, ...sources.map(({ name }) => name)];

/**
 * The built-in environment of that name, or the one that a reference holds as JSON (`Environment.reference`). Throws
 * `env/unknown` where there is none, and as `compileEnvironment` does.
 */
export function environmentByName(name: string): Environment {
  const known = made.get(name);
  if (known) return known;
  const source = sources.find((candidate) => candidate.name === name);
  if (source) {
    const environment = { ...compileEnvironment(source), reference: name };
    made.set(name, environment);
    return environment;
  }
  if (isHostReference(name)) return environmentOfHost(name);
  if (name.startsWith("{")) {
    const environment = compileEnvironment(readEnvironmentSource(name));
    // Edits make new ones all the time; the one in use stays with whoever uses it.
    if (made.size > MAX_MADE) for (const [old] of made) if (old.startsWith("{")) made.delete(old);
    made.set(name, environment);
    return environment;
  }
  throw new FulguriteError(
    "env/unknown",
    `There is no environment named "${name}".`,
    `Use one of: ${environmentNames.join(", ")}.`,
  );
}
