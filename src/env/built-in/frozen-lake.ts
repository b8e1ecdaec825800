import { gridWorldSource } from "./grid-world.ts";
import { environmentFrom } from "../environment-from.ts";

/**
 * Gymnasium's FrozenLake-v1, 4x4 and slippery: from the top left to the bottom right without falling into a hole.
 * Left (0), down (1), right (2), up (3); the ice turns a step by 90 degrees to either side with probability 1/3
 * each. 1 at the goal, 0 elsewhere. Observes the cell, one of 16 numbers being 1. The best policy reaches 0.74.
 */
export const frozenLake = environmentFrom({
  ...gridWorldSource({
    map: ["S...", ".O.O", "...O", "O..G"],
    slip: 2 / 3,
    stepReward: 0,
    goalReward: 1,
    holeReward: 0,
  }),
  name: "FrozenLake-v1",
  steps: 100,
  threshold: 0.7,
});
