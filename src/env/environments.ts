import type { Environment } from "./environment.ts";
import { environmentByName } from "./registry.ts";

export { bandit, gridWorld } from "./built-in/index.ts";

/** Gymnasium's Acrobot-v1: swing a two-link arm above a line; 3 actions. */
export const acrobot = (): Environment => environmentByName("Acrobot-v1");
/** Gymnasium's MountainCar-v0: rock a weak car up a hill; 3 actions. */
export const mountainCar = (): Environment => environmentByName("MountainCar-v0");
/** Gymnasium's MountainCarContinuous-v0: the same with a force in [-1, 1]. */
export const mountainCarContinuous = (): Environment => environmentByName("MountainCarContinuous-v0");
/** Gymnasium's Pendulum-v1: swing a rod up and hold it, with a torque in [-2, 2]. */
export const pendulum = (): Environment => environmentByName("Pendulum-v1");
/** Gymnasium's FrozenLake-v1, 4x4 and slippery; 4 actions. */
export const frozenLake = (): Environment => environmentByName("FrozenLake-v1");
/** Catch a falling ball (bsuite); 3 actions. */
export const catchBall = (): Environment => environmentByName("Catch");
/** Snake on 6 by 6 cells; 4 actions, one of them forbidden. */
export const snake = (): Environment => environmentByName("Snake-6x6");
