import type { Environment } from "../env/environment.ts";
import { actorCriticLayout, type ActorCriticShape, type ParameterLayout } from "../nn/parameter-layout.ts";
import type { PolicyGradientConfig } from "./config.ts";

type Space = Pick<Environment, "observationSize" | "actionCount" | "actions">;
type NetworkConfig = Pick<PolicyGradientConfig, "hidden" | "separateTowers"> & {
  readonly costLimit?: PolicyGradientConfig["costLimit"];
};

/** The actor-critic that an algorithm trains in an environment; a cost has a value of its own. */
export const networkShape = (
  { observationSize, actionCount, actions }: Space,
  { hidden, separateTowers, costLimit }: NetworkConfig,
): ActorCriticShape => ({
  observationSize,
  actionCount,
  ...(actions && { actions }),
  hidden,
  separateTowers,
  values: costLimit ? 2 : 1,
});

export const networkLayout = (environment: Space, config: NetworkConfig): ParameterLayout =>
  actorCriticLayout(networkShape(environment, config));
