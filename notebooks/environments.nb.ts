// fulgurite: 1
import { defineEnv, frozenLake, gridWorld, ppo, train } from "fulgurite";

// %% [md] intro
/*
# Worlds to learn in

An environment is a handful of numbers and four small functions: how an episode starts, what a step does to the numbers, what it is worth, and when it is over. Below are one that everybody uses, one that you draw, and one written from scratch. Each is compiled for the GPU and for the processor, and checked against itself before anything is trained.
*/

// %% lake
export const lake = frozenLake();

// %% [md] about-lake
/*
Four by four cells of ice. Holes end the walk, the far corner pays 1, and two steps in three slip sideways. Nobody reaches the goal always: the best possible policy does in 74 of 100 walks, and learns to walk *away* from holes, since the ice only turns a step by a quarter.
*/

// %% lake-training lazy
export const walked = await train({
  env: lake,
  algorithm: ppo({ preset: "cleanrl", envs: 16, totalSteps: 200_000, learningRate: { start: 1e-3, end: 0 } }),
  seed: 1,
});

// %% [md] about-map
/*
## Draw one

`S` is where it starts, `G` the goal, `#` a wall, `O` a hole. Change the map and train again: the policy knows nothing about it beforehand.
*/

// %% map
export const maze = gridWorld({
  map: ["S..#...", ".#...#.", ".#.#.#.", "...#..G", "##...O."],
  slip: 0.1,
});

// %% map-training lazy
export const solved = await train({
  env: maze,
  algorithm: ppo({ preset: "cleanrl", envs: 16, totalSteps: 100_000 }),
  seed: 1,
});

// %% [md] about-own
/*
## Write one

A lander with one engine. Its state is four numbers; `step` returns the next ones. The reward has three parts by name, and each has a curve of its own, so that you can see which of them the policy serves: a soft landing, fuel saved, or merely hurrying.

Everything a function uses from other cells travels with it, here `gravity` and `clamp`. What cannot be compiled is an error with its line: try a `while` loop.
*/

// %% physics
export const gravity = 1.6;
export const clamp = (x: number, low: number, high: number): number => Math.max(low, Math.min(high, x));

// %% lander
export const lander = defineEnv({
  name: "Lander",
  state: ["height", "speed", "fuel", "burning"],
  actions: 2,
  steps: 200,
  reset: (random) => ({ height: random.uniform(6, 10), speed: random.uniform(-1, 0), fuel: 1 }),
  step: (s, a, random) => {
    const burning = a === 1 && s.fuel > 0 ? 1 : 0;
    const wind = random.normal(0, 0.05);
    const speed = clamp(s.speed + 0.1 * (burning * 4 - gravity) + wind, -10, 10);
    return {
      height: clamp(s.height + 0.1 * speed, 0, 14),
      speed,
      fuel: Math.max(0, s.fuel - 0.02 * burning),
      burning,
    };
  },
  observe: (s) => [s.height / 10, s.speed / 4, s.fuel],
  reward: {
    landing: (s, a, next) => (next.height > 0 ? 0 : Math.max(5 + 2 * next.speed, -5)),
    fuel: (s, a, next) => 0.5 * (next.fuel - s.fuel),
    time: () => -0.02,
  },
  done: (s) => s.height <= 0,
  threshold: 2.5,
  view: [-5, -0.6, 5, 11],
  draw: (s, paint) => {
    paint.line(-5, 0, 5, 0, 0.04, "ground");
    paint.rect(-4.4, 2.5 * s.fuel, 0.3, 5 * s.fuel, "good");
    if (s.burning === 1) paint.line(0, s.height + 0.3, 0, s.height - 0.5, 0.25, "bad");
    paint.rect(0, s.height + 0.6, 0.8, 1, "accent");
    paint.line(-0.35, s.height + 0.2, -0.6, s.height, 0.08, "body");
    paint.line(0.35, s.height + 0.2, 0.6, s.height, 0.08, "body");
  },
});

// %% lander-training lazy
export const landed = await train({
  env: lander,
  algorithm: ppo({ preset: "cleanrl", envs: 16, totalSteps: 150_000, learningRate: { start: 1e-3, end: 0 } }),
  seed: 1,
});
