import { type EnvironmentParts, environmentFrom } from "../environment-from.ts";

const valley = {
  state: ["position", "velocity"],
  reset: "(random) => ({ position: random.uniform(-0.6, -0.4), velocity: 0 })",
  view: [-1.25, -0.1, 0.65, 1.25],
  draw: `(s, paint) => {
    for (let i = 0; i < 48; i++) {
      const x = -1.25 + (1.9 / 48) * i;
      paint.line(x, height(x), x + 1.9 / 48, height(x + 1.9 / 48), 0.01, "ground");
    }
    paint.line(GOAL, height(GOAL), GOAL, height(GOAL) + 0.2, 0.012, "body");
    paint.rect(GOAL + 0.045, height(GOAL) + 0.17, 0.09, 0.06, "good");
    const slope = 1.35 * Math.cos(3 * s.position);
    const long = 1 / Math.sqrt(1 + slope * slope);
    const x = s.position - 0.05 * slope * long;
    const y = height(s.position) + 0.05 * long;
    paint.line(x - 0.05 * long, y - 0.05 * slope * long, x + 0.05 * long, y + 0.05 * slope * long, 0.06, "accent");
    paint.circle(s.position - 0.04 * long, height(s.position - 0.04 * long) + 0.02, 0.022, "body");
    paint.circle(s.position + 0.04 * long, height(s.position + 0.04 * long) + 0.02, 0.022, "body");
  }`,
  functions: {
    height: "(x) => 0.45 * Math.sin(3 * x) + 0.55",
    roll: `(s, push) => {
      const velocity = Math.max(-0.07, Math.min(0.07, s.velocity + push - 0.0025 * Math.cos(3 * s.position)));
      s.position = Math.max(-1.2, Math.min(0.6, s.position + velocity));
      s.velocity = s.position <= -1.2 && velocity < 0 ? 0 : velocity;
    }`,
  },
} as const satisfies Partial<EnvironmentParts>;

/**
 * Gymnasium's MountainCar-v0 (Moore 1990): a car too weak for the hill must swing up. Push left (0), not at all (1)
 * or right (2); -1 a step until position 0.5 is reached moving right.
 */
export const mountainCar = environmentFrom({
  ...valley,
  name: "MountainCar-v0",
  actions: { kind: "discrete", count: 3 },
  steps: 200,
  threshold: -110,
  step: "(s, a) => { roll(s, 0.001 * (a - 1)); }",
  reward: "() => -1",
  done: "(s) => s.position >= GOAL && s.velocity >= 0",
  constants: { GOAL: 0.5 },
});

/** Gymnasium's MountainCarContinuous-v0: a force in [-1, 1]; 100 for arriving at 0.45, less 0.1 force squared a step. */
export const mountainCarContinuous = environmentFrom({
  ...valley,
  name: "MountainCarContinuous-v0",
  actions: { kind: "continuous", low: -1, high: 1 },
  steps: 999,
  threshold: 90,
  step: "(s, a) => { roll(s, 0.0015 * a); }",
  reward: {
    arrival: "(s, a, next) => next.position >= GOAL && next.velocity >= 0 ? 100 : 0",
    effort: "(s, a) => -0.1 * a * a",
  },
  done: "(s) => s.position >= GOAL && s.velocity >= 0",
  constants: { GOAL: 0.45 },
});
