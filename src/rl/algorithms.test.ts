import { expect, test } from "vitest";
import { FulguriteError } from "../gpu/error.ts";
import { a2c } from "./a2c.ts";
import { dpo } from "./dpo.ts";
import { episodeGrpo } from "./episode-grpo.ts";
import { filteredCloning, grpo } from "./grpo.ts";
import { ppoLagrangian } from "./ppo-lagrangian.ts";
import { ppo, ppoPresets } from "./ppo.ts";
import { reinforce } from "./reinforce.ts";
import { completeConfig } from "./resolve-config.ts";
import { sft } from "./sft.ts";

test("A2C takes one step on all that it collected", () => {
  expect(a2c()).toMatchObject({
    kind: "a2c",
    surrogate: "score",
    envs: 8,
    steps: 5,
    minibatchSize: 40,
    epochs: 1,
  });
  expect(a2c({ envs: 32 }).minibatchSize).toBe(160);
  expect(a2c({ preset: "sb3" })).toMatchObject({ envs: 1, optimizer: "rmsprop", lambda: 1 });
});

test("an option of train's is sent there", () => {
  expect(() => ppo({ loss: {} } as never)).toThrow(
    expect.objectContaining({
      fix: "Pass it to train, beside the algorithm: `train({ loss, algorithm: ppo() })`.",
    }),
  );
});

test("REINFORCE plays whole episodes", () => {
  const config = reinforce({ envs: 4, steps: 100, totalSteps: 4000 });
  expect(config).toMatchObject({
    episodes: "whole",
    lambda: 1,
    truncationBootstrap: false,
    minibatchSize: 400,
  });
});

test("the three variants of GRPO over episodes", () => {
  expect(episodeGrpo({ groupSize: 4, groupCount: 2, steps: 50 })).toMatchObject({
    envs: 8,
    minibatchSize: 100,
    valueCoefficient: 0,
    groups: { size: 4, advantage: "mean", aggregation: "constant-length" },
  });
  expect(episodeGrpo({ variant: "grpo" }).groups).toMatchObject({ advantage: "standardized" });
  expect(episodeGrpo({ variant: "rloo" }).groups).toMatchObject({ aggregation: "step-mean" });
});

test("PPO-Lagrangian is PPO with a limit", () => {
  const config = ppoLagrangian({ preset: "cleanrl", costLimit: 25 });
  expect(config).toEqual({
    ...ppoPresets.cleanrl,
    kind: "ppo-lagrangian",
    costLimit: { limit: 25, initial: 0.001, control: { kind: "ascent", rate: 0.035 } },
  });
});

test("a configuration from before the switches has them off", () => {
  const { klStop, groups, optimizer, ...old } = ppo();
  expect([klStop, groups, optimizer]).toEqual([null, null, "adamw"]);
  expect(
    completeConfig(old as typeof old & Pick<ReturnType<typeof ppo>, "klStop" | "groups" | "optimizer">),
  ).toEqual(ppo());
});

test("a row has room for a whole answer", () => {
  expect(grpo({ maxTokens: 200 })).toMatchObject({ maxTokens: 200, responseLength: 200 });
  expect(grpo({ maxTokens: 8 }).responseLength).toBe(64);
  expect(grpo({ maxTokens: 200, responseLength: 100 }).responseLength).toBe(100);
});

test.each<[string, () => unknown, RegExp]>([
  ["a group of one", () => episodeGrpo({ groupSize: 1 }), /groups.size is 1/],
  ["no groups", () => episodeGrpo({ groupCount: 0 }), /groupCount is 0/],
  ["an unknown variant", () => episodeGrpo({ variant: "ppo" as "grpo" }), /no GRPO preset "ppo"/],
  ["no limit", () => ppoLagrangian({} as { costLimit: number }), /needs a cost limit/],
  ["a dual clip below 1", () => ppo({ dualClip: 0.5 }), /dualClip is 0.5/],
  [
    "an unknown KL stop",
    () => ppo({ klStop: { limit: 0.01, when: "never" as "step" } }),
    /klStop.when is "never"/,
  ],
  ["an unknown optimizer", () => a2c({ optimizer: "sgd" as "adamw" }), /optimizer is "sgd"/],
  [
    "groups of continued episodes",
    () => episodeGrpo({ episodes: "continued" } as object),
    /compare whole episodes/,
  ],
  [
    "groups in PPO",
    () => ppo({ groups: { size: 2, advantage: "mean", aggregation: "step-mean" } } as object),
    /groups do not go with "ppo"/,
  ],
  ["an unknown advantage", () => grpo({ advantage: "z" as "mean" }), /advantage is "z"/],
  ["an unknown aggregation", () => grpo({ aggregation: "mean" as "token-mean" }), /aggregation is "mean"/],
  ["an unknown surrogate", () => grpo({ surrogate: "ppo" as "policy" }), /surrogate is "ppo"/],
  ["an unknown ratio", () => grpo({ ratio: "rows" as "token" }), /ratio is "rows"/],
  [
    "a correction by its name alone",
    () => grpo({ correction: "token" as unknown as { name: "token"; cap: number } }),
    /correction.name is undefined/,
  ],
  [
    "a correction without its cap",
    () => grpo({ correction: { name: "token" } as never }),
    /cap is undefined/,
  ],
  ["a weight as the whole of a KL", () => grpo({ kl: 0.1 as never }), /undefined cannot be used/],
  ["no temperature", () => grpo({ temperature: 0 }), /temperature is 0/],
  ["a clip that is no number", () => grpo({ clipLow: Number.NaN }), /clipLow is NaN/],
  ["a moment that never forgets", () => sft({ betas: [0.9, 1] }), /betas\[1\] is 1/],
  ["an unknown schedule", () => sft({ schedule: "constant" as "linear" }), /schedule is "constant"/],
  ["an unknown part to learn", () => sft({ learn: "answer" as "completion" }), /learn is "answer"/],
  ["an unknown preference", () => dpo({ variant: "kto" as "ipo" }), /variant is "kto"/],
  ["a misspelt option", () => grpo({ grupSize: 4 } as never), /grpo\(\) has no option "grupSize"/],
  ["another's option", () => filteredCloning({ clipLow: 0.1 } as never), /no option "clipLow"/],
  ["a misspelt option of sft()", () => sft({ batchsize: 4 } as never), /no option "batchsize"/],
  ["a misspelt option of dpo()", () => dpo({ gamma: 4 } as never), /no option "gamma"/],
  ["an unknown teacher", () => filteredCloning({ sampledFrom: "best" as "start" }), /sampledFrom is "best"/],
])("%s is an error with a fix", (_, make, message) => {
  let error: unknown;
  try {
    make();
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(FulguriteError);
  expect(error).toMatchObject({
    code: "rl/invalid-config",
    message: expect.stringMatching(message) as string,
  });
  expect((error as FulguriteError).fix).not.toBe("");
});
