export { acrobot } from "./acrobot.ts";
export { bandit, type BanditOptions, banditSource } from "./bandit.ts";
export { catchBall } from "./catch.ts";
export { frozenLake } from "./frozen-lake.ts";
export { gridWorld, type GridWorldOptions, gridWorldSource } from "./grid-world.ts";
export { mountainCar, mountainCarContinuous } from "./mountain-car.ts";
export { pendulum } from "./pendulum.ts";
export { snake } from "./snake.ts";
