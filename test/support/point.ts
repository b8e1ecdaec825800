import { defineEnv } from "../../src/env/define-env.ts";

/** A point that two numbers push, compiled: an action is a list. */
export const point = defineEnv({
  name: "Point",
  state: ["x", "y"],
  actions: { low: -0.75, high: 0.5, dimensions: 2 },
  steps: 12,
  reset: (random) => ({ x: random.uniform(-1, 1), y: random.uniform(-1, 1) }),
  step: (s, a) => ({ x: s.x + 0.25 * a[0]!, y: s.y + 0.25 * a[1]! }),
  reward: {
    near: (_s, _a, next) => -next.x * next.x - next.y * next.y,
    effort: (_s, a) => {
      let effort = 0;
      for (let d = 0; d < a.length; d++) effort -= 0.01 * a[d]! * a[d]!;
      return effort;
    },
  },
  done: (s) => s.x > 1.5,
});
