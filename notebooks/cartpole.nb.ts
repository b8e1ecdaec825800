// fulgurite: 1
import { cartPole, defineReward, ppo, train } from "fulgurite";

// %% [md] intro
/*
# Balance a pole

A cart on a rail carries a pole that wants to fall. Fifty times a second somebody may push the cart to the left or to the right. Nobody tells the agent how: it tries, gets a reward for every step that the pole stays up, and after some tens of thousands of tries it has learned to balance.

All of it happens in this tab, on your own machine.
*/

// %% pole
export const pole = cartPole();

// %% [md] about-reward
/*
## What counts as good

The task itself gives 1 for every step until the pole falls, the cart leaves the rail, or 500 steps are over. The reward below also takes off a little for every metre that the cart is away from the middle. It is compiled for the GPU, and checked against what you read here.

Change it, and the training below says that it is stale.
*/

// %% reward
export const reward = defineReward.step((s, a, next) => 1 - 0.1 * Math.abs(next.x));

// %% [md] about-training
/*
## Learning

Press **Run**. The settings are the ones with which Stable-Baselines3's model zoo trains this task: 100,000 steps in 8 environments. Balancing for 475 of 500 steps counts as solved. With the task's own reward, all five seeds that we recorded got there between 61,000 and 77,000 steps; a seed that does not is no rarity in reinforcement learning, so try another before you blame the reward.
*/

// %% training lazy
export const run = await train({
  env: pole,
  reward,
  algorithm: ppo({ preset: "sb3-zoo-cartpole" }),
  seed: 1,
});
