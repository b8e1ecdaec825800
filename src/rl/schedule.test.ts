import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { grpo, learningRateAt } from "./grpo.ts";
import { ppo } from "./ppo.ts";
import { scheduleValue } from "./schedule.ts";

test("lr_schedules", () => {
  const g = golden("lr_schedules");
  const { lr, N: updates, warmup, min_ratio: least } = g.params as Readonly<Record<string, number>>;
  const values = (count: number, schedule: Parameters<typeof scheduleValue>[0]): number[] =>
    Array.from({ length: count }, (_, i) => scheduleValue(schedule, i, updates!));
  const linear = g.output("linear");
  expectClose(values(linear.length, { start: lr!, end: 0 }), linear);
  const cosine = g.output("warmup_cosine");
  const schedule = { start: lr!, end: lr! * least!, shape: "cosine", warmup: warmup! } as const;
  expectClose(values(cosine.length, schedule), cosine);
  // A run that is taken further stays at the end.
  expect(scheduleValue({ start: lr!, end: 0 }, updates! + 5, updates!)).toBe(0);
  expect(scheduleValue(schedule, updates! + 5, updates!)).toBeCloseTo(schedule.end, 12);
  expect(ppo({ learningRate: schedule }).learningRate).toEqual(schedule);
  expect(() => ppo({ learningRate: { ...schedule, shape: "step" as "linear" } })).toThrow(/shape is/);
});

test("an algorithm over rollouts begins at its learning rate and ends at the final one", () => {
  const algorithm = grpo({ updates: 5, learningRate: 1e-3, finalLearningRate: 2e-4 });
  const rates = [1, 2, 3, 4, 5].map((update) => learningRateAt(algorithm, update));
  expectClose(rates, [1e-3, 8e-4, 6e-4, 4e-4, 2e-4]);
  expect(learningRateAt(grpo({ updates: 1, finalLearningRate: 0 }), 1)).toBe(1e-3);
});
