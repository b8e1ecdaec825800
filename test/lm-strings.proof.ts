import { expect, test } from "vitest";
import { createCpuLanguageEngine } from "../src/lm/cpu-language-engine.ts";
import { learnStringTask, stringTaskShape, type StringTaskName } from "./support/string-task.ts";

const goals: readonly (readonly [StringTaskName, number, number])[] = [
  ["copy", 0.95, 40_000],
  ["reverse", 0.95, 200_000],
  ["sort", 0.9, 200_000],
];

test.each(goals.flatMap(([task, goal, most]) => [1, 2, 3].map((seed) => [task, goal, most, seed] as const)))(
  "%s reaches %d on held-out words within %i rollouts, seed %i",
  async (task, goal, maxRollouts, seed) => {
    const engine = await createCpuLanguageEngine(stringTaskShape, { seed });
    const result = await learnStringTask(engine, { task, seed, maxRollouts, until: goal });
    process.stdout.write(`${JSON.stringify({ task, seed, ...result, curve: undefined })}\n`);
    expect(result.before).toBeLessThan(0.01);
    expect(result.accuracy).toBeGreaterThanOrEqual(goal);
  },
);
