import { expect, test } from "vitest";
import { a2c } from "../rl/a2c.ts";
import { behaviourCloning } from "../rl/behaviour-cloning.ts";
import { dpo } from "../rl/dpo.ts";
import { episodeGrpo } from "../rl/episode-grpo.ts";
import { filteredCloning, grpo } from "../rl/grpo.ts";
import { dapo, drGrpo, gspo, rloo } from "../rl/grpo-family.ts";
import { ppo } from "../rl/ppo.ts";
import { ppoLagrangian } from "../rl/ppo-lagrangian.ts";
import { reinforce } from "../rl/reinforce.ts";
import { sft } from "../rl/sft.ts";
import { hyperParameter } from "./hyper-parameters.ts";
import { settings } from "./run-differences.ts";

const simulated = [
  ppo({ klStop: { limit: 0.02, when: "step" } }),
  a2c(),
  reinforce(),
  episodeGrpo(),
  ppoLagrangian({ costLimit: 25 }),
  behaviourCloning({ demonstrations: { observations: [[0, 0, 0, 0]], actions: [1] } }),
];
const language = [
  grpo({
    surrogate: "sapo",
    ratio: "sequence",
    epochs: 2,
    minibatches: 2,
    overlong: { buffer: 4, factor: 1 },
    correction: { name: "token", cap: 2 },
    oldPolicy: "scored",
    entropyCoefficient: 0.01,
    kl: { coefficient: 0.1, estimator: "k3" },
    adaptiveKl: { target: 0.1, horizon: 1000 },
  }),
  grpo({ rewardKl: { coefficient: 0.1 }, generationBatches: 2 }),
  ...[dapo(), drGrpo(), gspo(), rloo(), filteredCloning({ sampledFrom: "start", minibatches: 2 })],
  ...[sft({ labelSmoothing: 0.1 }), dpo({ labelSmoothing: 0.1 }), dpo({ variant: "ipo" })],
];
/** What a job of a language policy has beside its algorithm. */
const around = {
  policy: {
    ...{ width: 64, layers: 2, heads: 4, feedForward: 128, maxLength: 64, pairs: { merges: [[97, 98]] } },
    ...{
      adapters: { rank: 8, alpha: 16, projections: ["q"] },
      softPrompt: { tokens: 8 },
      checkpointing: true,
    },
  },
  warmStart: { demonstrations: [], steps: 10, batchSize: 8, learningRate: 1e-3 },
};
const jobs = [
  ...simulated.map((algorithm) => ({ kind: "simulated", algorithm, seed: 1 })),
  ...language.map((algorithm) => ({
    kind: "agentic",
    ...{ algorithm, seed: 1, timeout: 1, deterministic: true, ...around },
  })),
];
/** Settings that no formula describes. */
const wordsOnly = ["timeout", "deterministic"];

test.each(jobs.map((job) => [`${job.kind}: ${job.algorithm.kind}`, job] as const))(
  "every setting says its formula and its source: %s",
  (_name, job) => {
    for (const path of settings(job).keys()) {
      if (path === "kind") continue;
      const about = hyperParameter(path, job.kind);
      expect(about?.source, path).toMatch(/\w/);
      expect(about?.words, path).toMatch(/\.$/);
      if (!wordsOnly.includes(path)) expect(about?.formula, path).toBeTruthy();
    }
  },
);
