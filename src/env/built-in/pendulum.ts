import { environmentFrom } from "../environment-from.ts";

/**
 * Gymnasium's Pendulum-v1: swing a rod (1 m, 1 kg, gravity 10) up and hold it there by a torque in [-2, 2]. Euler
 * steps of 0.05 s; starts anywhere; never terminates. theta in radians from upright, not wrapped.
 */
export const pendulum = environmentFrom({
  name: "Pendulum-v1",
  state: ["theta", "speed"],
  actions: { kind: "continuous", low: -2, high: 2 },
  steps: 200,
  threshold: null,
  reset: "(random) => ({ theta: random.uniform(-Math.PI, Math.PI), speed: random.uniform(-1, 1) })",
  step: `(s, a) => {
    const speed = Math.max(-8, Math.min(8, s.speed + 0.05 * (15 * Math.sin(s.theta) + 3 * a)));
    return { theta: s.theta + 0.05 * speed, speed };
  }`,
  observe: "(s) => [Math.cos(s.theta), Math.sin(s.theta), s.speed]",
  // Of the state before the step, as Gymnasium has it.
  reward: {
    upright: `(s) => {
      const angle = s.theta - 2 * Math.PI * Math.floor((s.theta + Math.PI) / (2 * Math.PI));
      return -angle * angle;
    }`,
    slow: "(s) => -0.1 * s.speed * s.speed",
    effort: "(s, a) => -0.001 * a * a",
  },
  done: null,
  view: [-1.3, -1.25, 1.3, 1.25],
  draw: `(s, paint) => {
    paint.line(-1.3, 0, 1.3, 0, 0.012, "ground");
    paint.line(0, 0, Math.sin(s.theta), Math.cos(s.theta), 0.16, "accent");
    paint.circle(0, 0, 0.05, "muted");
  }`,
});
