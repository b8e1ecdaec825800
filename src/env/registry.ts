import { FulguriteError } from "../gpu/error.ts";
import { cartPole } from "./cartpole.ts";
import type { Environment } from "./environment.ts";

const environments: readonly Environment[] = [cartPole()];

/** Names that `environmentByName` knows. */
export const environmentNames: readonly string[] = environments.map((environment) => environment.name);

/** The built-in environment of that name; throws `env/unknown` where there is none. */
export function environmentByName(name: string): Environment {
  const found = environments.find((environment) => environment.name === name);
  if (found) return found;
  throw new FulguriteError(
    "env/unknown",
    `There is no environment named "${name}".`,
    `Use one of: ${environmentNames.join(", ")}.`,
  );
}
