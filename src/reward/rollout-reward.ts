import { FulguriteError } from "../gpu/error.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { Score } from "../runner/protocol.ts";
import { functionText, sourceOfExpression, type ClosureOptions } from "./function-source.ts";

/** The model calls of a rollout, in order. */
export type Transcript = readonly {
  /** Body of the request, as the agent sent it. */
  readonly request: unknown;
  /** Text that the policy answered. */
  readonly response: string;
}[];

type MaybePromise<T> = T | Promise<T>;

/**
 * Scores one rollout: a number, or a list of them, one for each part of the answer (the policy's tokens in order),
 * whose mean is the rollout's. `any`, because tasks and results are what the run's tasks and agent make them.
 */
export type Scorer = (
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  task: any,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  result: any,
  transcript: Transcript,
) => MaybePromise<Score | boolean | Readonly<Record<string, Score | boolean>>>;

/** One number of several that make a reward. */
export interface RewardComponent {
  /** Default 1; 0 shows the component without training on it. */
  readonly weight?: number;
  readonly score: Scorer;
}

/** A single function, or components whose weighted sum is the reward. */
export type RewardDefinition = Scorer | Readonly<Record<string, RewardComponent>>;

declare const defined: unique symbol;

/** A reward over whole rollouts with the source it travels by; usable as what it was made of. */
export type RolloutReward<Definition extends RewardDefinition = RewardDefinition> = Definition & {
  readonly [defined]: "rollout-reward";
};

interface Registered {
  /** In the order written; of a single function, one named "reward" of weight 1. */
  readonly components: readonly { readonly name: string; readonly weight: number }[];
  readonly source: () => CodeSource;
}

const rewards = new WeakMap<object, Registered>();

/** A reward over rollouts, its source being its functions' own text and the given values. */
export function defineRolloutReward<Definition extends RewardDefinition>(
  definition: Definition,
  options: ClosureOptions = {},
): RolloutReward<Definition> {
  const reward = rolloutRewardFrom(definition, () => source);
  const source = sourceOfExpression(entryOf(definition), options, "reward");
  return reward;
}

function entryOf(definition: RewardDefinition): string {
  if (typeof definition === "function") return functionText(definition, "reward");
  const parts = Object.entries(definition).map(
    ([name, { weight = 1, score }]) =>
      `${JSON.stringify(name)}: { weight: ${weight}, score: ${functionText(score, `score of "${name}"`)} }`,
  );
  return `{ ${parts.join(", ")} }`;
}

/** A reward whose source somebody else finds. Throws "reward/invalid". */
export function rolloutRewardFrom<Definition extends RewardDefinition>(
  definition: Definition,
  source: () => CodeSource,
): RolloutReward<Definition> {
  const components = componentsOf(definition);
  const reward: object =
    typeof definition === "function"
      ? (...values: Parameters<Scorer>) => definition(...values)
      : Object.freeze({ ...definition });
  rewards.set(reward, { components, source });
  return reward as RolloutReward<Definition>;
}

/** What is known of a reward over rollouts; undefined for any other value. */
export function rolloutRewardDefinition(value: unknown): Registered | undefined {
  return typeof value === "function" || (typeof value === "object" && value !== null)
    ? rewards.get(value)
    : undefined;
}

function componentsOf(definition: unknown): Registered["components"] {
  if (typeof definition === "function") return [{ name: "reward", weight: 1 }];
  const usage =
    "Write `defineReward((task, result) => number)` or `defineReward({ exact: { weight: 1, score } })`.";
  if (typeof definition !== "object" || definition === null || Array.isArray(definition)) {
    throw new FulguriteError("reward/invalid", "This is not a reward.", usage);
  }
  const entries = Object.entries(definition as Record<string, Partial<RewardComponent> | null>);
  if (entries.length === 0)
    throw new FulguriteError("reward/invalid", "The reward has no components.", usage);
  return entries.map(([name, component]) => {
    const weight = component?.weight ?? 1;
    if (typeof component?.score !== "function") {
      throw new FulguriteError("reward/invalid", `The component "${name}" has no function \`score\`.`, usage);
    }
    if (typeof weight !== "number" || !Number.isFinite(weight)) {
      throw new FulguriteError(
        "reward/invalid",
        `The weight of "${name}" is ${String(weight)}, not a finite number.`,
        "Give it a number; negative ones are penalties.",
      );
    }
    return { name, weight };
  });
}
