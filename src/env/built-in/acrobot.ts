import { environmentFrom } from "../environment-from.ts";

/**
 * Gymnasium's Acrobot-v1 (Sutton 1996, "book" dynamics): swing the end of a two-link arm above a line one link
 * above its hinge, with a torque of -1, 0 or 1 at the joint between the links. One fourth-order Runge-Kutta step
 * of 0.2 s; starts uniform in [-0.1, 0.1]; -1 a step, 0 for the last. Angles in radians, theta1 from hanging
 * down, theta2 relative to the first link.
 */
export const acrobot = environmentFrom({
  name: "Acrobot-v1",
  state: ["theta1", "theta2", "speed1", "speed2"],
  actions: { kind: "discrete", count: 3 },
  steps: 500,
  threshold: -100,
  reset: `(random) => ({
    theta1: random.uniform(-0.1, 0.1),
    theta2: random.uniform(-0.1, 0.1),
    speed1: random.uniform(-0.1, 0.1),
    speed2: random.uniform(-0.1, 0.1),
  })`,
  // Slope k of Runge and Kutta is (v1, v2, a1, a2) at a state that slope k - 1 leads to.
  step: `(s, a) => {
    const torque = a - 1;
    const v1 = s.speed1;
    const v2 = s.speed2;
    const a2 = acceleration2(s.theta1, s.theta2, v1, v2, torque);
    const a1 = acceleration1(s.theta1, s.theta2, v1, v2, a2);
    const v1b = v1 + 0.1 * a1;
    const v2b = v2 + 0.1 * a2;
    const a2b = acceleration2(s.theta1 + 0.1 * v1, s.theta2 + 0.1 * v2, v1b, v2b, torque);
    const a1b = acceleration1(s.theta1 + 0.1 * v1, s.theta2 + 0.1 * v2, v1b, v2b, a2b);
    const v1c = v1 + 0.1 * a1b;
    const v2c = v2 + 0.1 * a2b;
    const a2c = acceleration2(s.theta1 + 0.1 * v1b, s.theta2 + 0.1 * v2b, v1c, v2c, torque);
    const a1c = acceleration1(s.theta1 + 0.1 * v1b, s.theta2 + 0.1 * v2b, v1c, v2c, a2c);
    const v1d = v1 + 0.2 * a1c;
    const v2d = v2 + 0.2 * a2c;
    const a2d = acceleration2(s.theta1 + 0.2 * v1c, s.theta2 + 0.2 * v2c, v1d, v2d, torque);
    const a1d = acceleration1(s.theta1 + 0.2 * v1c, s.theta2 + 0.2 * v2c, v1d, v2d, a2d);
    const sixth = 0.2 / 6;
    return {
      theta1: wrap(wrap(s.theta1 + sixth * (v1 + 2 * v1b + 2 * v1c + v1d))),
      theta2: wrap(wrap(s.theta2 + sixth * (v2 + 2 * v2b + 2 * v2c + v2d))),
      speed1: Math.max(-4 * Math.PI, Math.min(4 * Math.PI, v1 + sixth * (a1 + 2 * a1b + 2 * a1c + a1d))),
      speed2: Math.max(-9 * Math.PI, Math.min(9 * Math.PI, v2 + sixth * (a2 + 2 * a2b + 2 * a2c + a2d))),
    };
  }`,
  observe: `(s) => [
    Math.cos(s.theta1), Math.sin(s.theta1), Math.cos(s.theta2), Math.sin(s.theta2), s.speed1, s.speed2,
  ]`,
  reward: "(s, a, next) => above(next) ? 0 : -1",
  done: "(s) => above(s)",
  frameRate: 15,
  view: [-2.4, -2.2, 2.4, 2.2],
  draw: `(s, paint) => {
    const x = Math.sin(s.theta1);
    const y = -Math.cos(s.theta1);
    const endX = x + Math.sin(s.theta1 + s.theta2);
    const endY = y - Math.cos(s.theta1 + s.theta2);
    paint.line(-2.4, 1, 2.4, 1, 0.015, "ground");
    paint.line(0, 0, x, y, 0.16, "body");
    paint.line(x, y, endX, endY, 0.16, "accent");
    paint.circle(0, 0, 0.07, "muted");
    paint.circle(x, y, 0.05, "muted");
  }`,
  functions: {
    above: "(s) => -Math.cos(s.theta1) - Math.cos(s.theta2 + s.theta1) > 1",
    wrap: "(x) => x > Math.PI ? x - 2 * Math.PI : x < -Math.PI ? x + 2 * Math.PI : x",
    // Links of mass and length 1, centres of mass at 0.5, inertia 1, gravity 9.8.
    phi1: `(theta1, theta2, v1, v2) => {
      const sine = Math.sin(theta2);
      const weight = 14.7 * Math.sin(theta1) + 4.9 * Math.sin(theta1 + theta2);
      return weight - 0.5 * v2 * v2 * sine - v2 * v1 * sine;
    }`,
    acceleration2: `(theta1, theta2, v1, v2, torque) => {
      const cosine = Math.cos(theta2);
      const d1 = 3.5 + cosine;
      const d2 = 1.25 + 0.5 * cosine;
      const ratio = d2 / d1;
      const push = ratio * phi1(theta1, theta2, v1, v2) - 0.5 * v1 * v1 * Math.sin(theta2);
      return (torque + push - 4.9 * Math.sin(theta1 + theta2)) / (1.25 - d2 * ratio);
    }`,
    acceleration1: `(theta1, theta2, v1, v2, a2) => {
      const cosine = Math.cos(theta2);
      return -((1.25 + 0.5 * cosine) * a2 + phi1(theta1, theta2, v1, v2)) / (3.5 + cosine);
    }`,
  },
});
