import type { RewardItem, Score } from "./protocol.ts";

export interface ItemScore {
  readonly components: Readonly<Record<string, Score>>;
  readonly weights: Readonly<Record<string, number>>;
}

/**
 * Scores one rollout with a reward as its code defines it: a function, whose number is the component "reward", or
 * whose object holds components; or `{ name: { weight, score } }`. Anything but finite numbers throws. It travels as
 * source into reward workers, so everything it uses is inside it.
 */
export async function scoreItem(reward: unknown, item: RewardItem): Promise<ItemScore> {
  type Scorer = (task: unknown, result: unknown, transcript: unknown) => unknown;
  const { task, result, transcript } = item;
  const components: Record<string, Score> = {};
  const weights: Record<string, number> = {};

  const add = (name: string, score: unknown, weight: unknown): void => {
    const list = Array.isArray(score) ? (score as unknown[]) : null;
    const value = list ?? (typeof score === "boolean" ? Number(score) : score);
    const wrong = (list ?? [value]).find((number) => typeof number !== "number" || !Number.isFinite(number));
    if (wrong !== undefined || value === undefined) {
      throw new RangeError(`"${name}" must be a finite number, but is ${String(wrong)}`);
    }
    if (typeof weight !== "number" || !Number.isFinite(weight)) {
      throw new RangeError(`the weight of "${name}" must be a finite number`);
    }
    components[name] = list ? (list as number[]).slice() : (value as number);
    weights[name] = weight;
  };

  if (typeof reward === "function") {
    const scored: unknown = await (reward as Scorer)(task, result, transcript);
    if (typeof scored === "object" && scored !== null && !Array.isArray(scored)) {
      for (const [name, score] of Object.entries(scored)) add(name, score, 1);
    } else {
      add("reward", scored, 1);
    }
  } else if (typeof reward === "object" && reward !== null) {
    for (const [name, part] of Object.entries(reward as Record<string, unknown>)) {
      const { score, weight = 1 } = (typeof part === "function" ? { score: part } : part) as {
        readonly score: Scorer;
        readonly weight?: unknown;
      };
      add(name, await score(task, result, transcript), weight);
    }
  } else {
    throw new TypeError("The reward is neither a function nor { name: { weight, score } }.");
  }
  return { components, weights };
}
