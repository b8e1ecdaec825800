import { expect, test } from "vitest";
import { createCpuLanguageEngine } from "../src/lm/cpu-language-engine.ts";
import { learnStringTask, stringTaskShape } from "./support/string-task.ts";

// The same in three seeds, and reversing and sorting, are in lm-strings.proof.ts.
test("copying strings is learned from nothing by reinforcement alone, on words never seen", async () => {
  const engine = await createCpuLanguageEngine(stringTaskShape, { seed: 1 });
  const { before, accuracy, rollouts } = await learnStringTask(engine, {
    task: "copy",
    seed: 1,
    maxRollouts: 30_000,
  });
  expect(before).toBeLessThan(0.01);
  expect(accuracy, `after ${rollouts} rollouts`).toBeGreaterThanOrEqual(0.95);
});
