import { describe, test } from "vitest";
import { cartPole } from "../../src/env/cartpole.ts";
import { behaviourCloning } from "../../src/rl/behaviour-cloning.ts";
import { cartPoleDemonstrations } from "../support/demonstrations.ts";
import { algorithmVariants } from "../support/algorithm-variants.ts";
import { compareEngines } from "./compare-engines.ts";
import { gpu } from "./support.ts";

/** Those that between them have every kernel's every branch; `algorithms.proof.ts` has all, over 50 updates. */
const short = [
  "asymmetric and dual clip",
  "a KL stop before a step",
  "a KL stop after an epoch",
  "A2C",
  "TensorFlow's RMSprop",
  "REINFORCE over whole episodes",
  "GRPO over whole episodes",
  "RLOO over whole episodes",
  "a cost limit on one trunk, with normalised rewards",
  "a cost limit",
  "a loss of one's own",
  "a loss of one's own that mixes, on one trunk",
  "two factors with a mask",
  "a normal distribution",
];

describe.skipIf(!gpu)("every algorithm on both engines", () => {
  test.each(algorithmVariants.filter(([name]) => short.includes(name)))("%s", async (_, request) => {
    await compareEngines(request, 2);
  });

  test("four hidden layers, whose gradients share two buffers, on observations normalised", async () => {
    // Most of its kernels have been compiled for that variant's own test.
    const name = "a cost limit on one trunk, with normalised rewards";
    const request = algorithmVariants.find((it) => it[0] === name)![1];
    const algorithm = { ...request.algorithm, normalizeObservations: true, hidden: [9, 6, 12, 5] };
    await compareEngines({ ...request, algorithm }, 1);
  });

  test("behaviour cloning", async () => {
    const algorithm = behaviourCloning({
      demonstrations: cartPoleDemonstrations(60),
      hidden: [9],
      minibatchSize: 20,
    });
    await compareEngines({ environment: cartPole(), reward: null, algorithm, seed: 1 }, 2);
  });
});
