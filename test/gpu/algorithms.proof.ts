import { mkdirSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cartPole } from "../../src/env/cartpole.ts";
import type { Environment } from "../../src/env/environment.ts";
import type { EngineRequest } from "../../src/rl/engine.ts";
import { behaviourCloning, type Demonstrations } from "../../src/rl/behaviour-cloning.ts";
import { ppo } from "../../src/rl/ppo.ts";
import { algorithmVariants } from "../support/algorithm-variants.ts";
import { cartPoleDemonstrations } from "../support/demonstrations.ts";
import { hosted } from "../support/hosted.ts";
import { point } from "../support/point.ts";
import { compareEngines, type EngineTolerance } from "./compare-engines.ts";
import { gpu } from "./support.ts";

const cleanrl: EngineRequest = {
  environment: cartPole(),
  reward: null,
  algorithm: ppo({ preset: "cleanrl" }),
  seed: 1,
};

const cloning = (name: string, environment: Environment, demonstrations: Demonstrations) => {
  const algorithm = behaviourCloning({ demonstrations, hidden: [9], minibatchSize: 20, epochs: 50 });
  const request: EngineRequest = { environment, reward: null, algorithm, seed: 1 };
  return { name: `behaviour cloning, ${name}`, request, isHosted: false };
};

/** An expert that pushes towards the origin. */
const pushes = Array.from({ length: 60 }, (_, i) => [Math.sin(1.7 * i), Math.cos(2.3 * i)]);
const byHost = (name: string) => {
  const [, request] = algorithmVariants.find((it) => it[0] === name)!;
  return { name: `stepped by a host: ${name}`, request, isHosted: true };
};

const cases = [
  { name: "CleanRL's settings on CartPole", request: cleanrl, isHosted: false },
  ...algorithmVariants.map(([name, request]) => ({ name, request, isHosted: false })),
  cloning("choices", cartPole(), cartPoleDemonstrations(60)),
  cloning("two normal distributions", point, {
    observations: pushes,
    actions: pushes.map((position) => position.map((x) => -0.5 * x)),
  }),
  byHost("truncation bootstraps"),
  byHost("GRPO over whole episodes"),
  byHost("two normal distributions"),
];

/** In many updates a sample or two lies so near the clip range's end that one engine clips it and the other does not. */
const long: EngineTolerance = { metric: 5e-3, clipFraction: 0.05, state: 5e-4 };

/** 50 teacher-forced updates of every algorithm: the GPU starts each from the CPU engine's state. */
describe.skipIf(!gpu)("the WebGPU engine follows the CPU engine over 50 updates", () => {
  const rows: object[] = [];
  test.each(cases)("$name", async ({ name, request, isHosted }) => {
    // Annealed over the 50 updates: at a clip range of 0 rounding alone decides what is clipped.
    const { envs, steps } = request.algorithm;
    const algorithm = {
      ...request.algorithm,
      totalSteps: Math.max(request.algorithm.totalSteps, 50 * envs * steps),
    };
    // An environment of its own for each engine: they step it in turn.
    const [environment, onGpu] = isHosted
      ? [hosted(request.environment), hosted(request.environment)]
      : [request.environment];
    const worst = await compareEngines({ ...request, algorithm, environment }, 50, long, onGpu);
    rows.push({ variant: name, updates: 50, ...worst });
    console.log(name, worst);
    expect(worst.parameter).toBeLessThan(long.state);
    const folder = new URL("../../bench/results/", import.meta.url);
    mkdirSync(folder, { recursive: true });
    const result = {
      adapter: gpu!.adapter,
      date: new Date().toISOString().slice(0, 10),
      unit: "largest difference over max(1, size)",
      rows,
    };
    writeFileSync(new URL("engine-parity.json", folder), `${JSON.stringify(result, null, 2)}\n`);
  });
});
