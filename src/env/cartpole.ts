import wgsl from "../../shaders/env/cartpole.wgsl?raw";
import { cos, sin } from "../kernels/math.ts";
import { uniform } from "../kernels/philox.ts";
import type { Environment, Scene } from "./environment.ts";

const f = Math.fround;

const GRAVITY = f(9.8);
/** 1 / 1.1: shader compilers turn a division by a constant into a product. */
const PER_TOTAL_MASS = f(0.90909094);
const POLE_MASS = f(0.1);
const HALF_POLE = 0.5;
/** Pole mass x half pole length. */
const POLE_MOMENT = f(0.05);
const FOUR_THIRDS = f(1.3333334);
const FORCE = 10;
const TIME_STEP = f(0.02);
const X_LIMIT = f(2.4);
const THETA_LIMIT = f(0.20943951);

/**
 * Gymnasium's CartPole-v1 (Barto, Sutton & Anderson 1983): keep a pole upright on a cart by pushing left (0)
 * or right (1) with 10 N. Euler steps of 0.02 s; starts uniform in [-0.05, 0.05]; ends at |x| > 2.4 m or
 * |theta| > 12 degrees; 1 for every step, the last one included. Lengths in metres, angles in radians,
 * theta clockwise from upright.
 */
export const cartPole = (): Environment => environment;

const environment: Environment = {
  name: "CartPole-v1",
  stateFields: ["x", "xDot", "theta", "thetaDot"],
  observationSize: 4,
  actionCount: 2,
  maxEpisodeSteps: 500,
  rewardThreshold: 475,
  wgsl,

  reset(state, offset, random) {
    const tenth = f(0.1);
    const twentieth = f(0.05);
    for (let i = 0; i < 4; i++) state[offset + i] = f(f(uniform(random[i]!) * tenth) - twentieth);
  },

  step(state, offset, action, out) {
    const x = state[offset]!;
    const xDot = state[offset + 1]!;
    const theta = state[offset + 2]!;
    const thetaDot = state[offset + 3]!;
    const force = action === 1 ? FORCE : -FORCE;
    const sine = sin(theta);
    const cosine = cos(theta);
    const pushed = f(f(force + f(f(f(POLE_MOMENT * thetaDot) * thetaDot) * sine)) * PER_TOTAL_MASS);
    const inertia = f(HALF_POLE * f(FOUR_THIRDS - f(f(f(POLE_MASS * cosine) * cosine) * PER_TOTAL_MASS)));
    const thetaAcceleration = f(f(f(GRAVITY * sine) - f(cosine * pushed)) / inertia);
    const xAcceleration = f(pushed - f(f(f(POLE_MOMENT * thetaAcceleration) * cosine) * PER_TOTAL_MASS));
    const nextX = f(x + f(TIME_STEP * xDot));
    const nextTheta = f(theta + f(TIME_STEP * thetaDot));
    state[offset] = nextX;
    state[offset + 1] = xDot + f(TIME_STEP * xAcceleration);
    state[offset + 2] = nextTheta;
    state[offset + 3] = thetaDot + f(TIME_STEP * thetaAcceleration);
    out[0] = 1;
    out[1] = Math.abs(nextX) > X_LIMIT || Math.abs(nextTheta) > THETA_LIMIT ? 1 : 0;
  },

  observe(state, offset, observation, at) {
    for (let i = 0; i < 4; i++) observation[at + i] = state[offset + i]!;
  },

  scene(state, offset): Scene {
    const x = state[offset] ?? 0;
    const theta = state[offset + 2] ?? 0;
    const top = 0.15;
    return {
      view: [-2.6, -0.35, 2.6, 1.45],
      shapes: [
        { kind: "line", from: [-2.6, 0], to: [2.6, 0], width: 0.01, role: "ground" },
        { kind: "line", from: [-2.4, -0.05], to: [-2.4, 0.05], width: 0.01, role: "ground" },
        { kind: "line", from: [2.4, -0.05], to: [2.4, 0.05], width: 0.01, role: "ground" },
        { kind: "rect", center: [x, 0], size: [0.5, 0.3], role: "body" },
        {
          kind: "line",
          from: [x, top],
          to: [x + Math.sin(theta), top + Math.cos(theta)],
          width: 0.1,
          role: "accent",
        },
        { kind: "circle", center: [x, top], radius: 0.04, role: "muted" },
      ],
    };
  },
};
