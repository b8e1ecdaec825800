import { describe, expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { importMutated } from "../../test/support/mutation.ts";
import { policyHead } from "../kernels/action-space.ts";
import type { RowLossFunction } from "../kernels/row-loss.ts";
import { actorCriticLayout, type ActorCriticShape, type ParameterLayout } from "../nn/parameter-layout.ts";
import { ReferenceActorCritic } from "../kernels/reference/actor-critic.ts";
import { adamW, clipCoefficient, globalNorm } from "../kernels/reference/optimizer.ts";
import { minibatchLoss, type Minibatch, type MinibatchOptions } from "../kernels/reference/minibatch-loss.ts";
import * as a2c from "./a2c.ts";
import * as behaviourCloning from "./behaviour-cloning.ts";
import * as episodeGrpo from "./episode-grpo.ts";
import * as ppoLagrangian from "./ppo-lagrangian.ts";
import * as ppo from "./ppo.ts";
import * as reinforce from "./reinforce.ts";

const goldenNames: Readonly<Record<string, string>> = {
  "actor.0.weight": "a.w1",
  "actor.0.bias": "a.b1",
  "actor.1.weight": "a.w2",
  "actor.1.bias": "a.b2",
  "critic.0.weight": "c.w1",
  "critic.0.bias": "c.b1",
  "critic.1.weight": "c.w2",
  "critic.1.bias": "c.b2",
};

const layout = actorCriticLayout({ observationSize: 3, actionCount: 4, hidden: [5], separateTowers: true });

function arena(layout: ParameterLayout, tensor: (name: string) => ArrayLike<number>): Float64Array {
  const data = new Float64Array(layout.length);
  for (const { name, offset } of layout.tensors) data.set(Float64Array.from(tensor(name)), offset);
  return data;
}

function check({ ppoRowLoss }: typeof ppo, name: "ppo_cleanrl" | "ppo_no_vclip_no_norm"): void {
  const g = golden(name);
  const plain = name === "ppo_no_vclip_no_norm";
  const network = new ReferenceActorCritic(layout);
  const parameters = arena(layout, (tensor) => g.input(`weights/${goldenNames[tensor]!}`));
  const batch: Minibatch = {
    observations: g.input("obs"),
    actions: g.input("actions"),
    oldLogProbabilities: g.input("old_logp"),
    advantages: g.input("advantages"),
    returns: g.input("returns"),
    oldValues: g.input("old_values"),
    mask: g.input("mask"),
  };
  const options: MinibatchOptions = {
    rowLoss: ppoRowLoss,
    clip: 0.2,
    valueClip: plain ? null : 0.2,
    entropyCoefficient: 0.01,
    valueCoefficient: 0.5,
    normalizeAdvantages: !plain,
  };
  const result = minibatchLoss(network, parameters, batch, options);
  expectClose(result.loss, g.scalar("loss"), undefined, "loss");
  expectClose(result.policyLoss, g.scalar("pg_loss"), undefined, "policy loss");
  expectClose(result.valueLoss, g.scalar("v_loss"), undefined, "value loss");
  expectClose(result.entropy, g.scalar("entropy"), undefined, "entropy");
  expectClose(result.klK1, g.scalar("approx_kl_k1"), undefined, "k1");
  expectClose(result.klK3, g.scalar("approx_kl_k3"), undefined, "k3");
  expectClose(result.clipFraction, g.scalar("clipfrac"), undefined, "clip fraction");
  expectClose(result.ratios, g.output("ratio"), undefined, "ratios");
  expectClose(result.logProbabilities, g.output("new_logp"), undefined, "log-probabilities");
  expectClose(result.values, g.output("values"), undefined, "values");
  const gradient = arena(layout, (tensor) => g.output(`grads/${goldenNames[tensor]!}`));
  expectClose(result.gradient, gradient, undefined, "gradient");
  const norm = globalNorm(result.gradient);
  expectClose(norm, g.scalar("grad_norm"));
  expectClose(clipCoefficient(norm, 0.5), g.scalar("clip_coef"));
  if (plain) return;

  const first = new Float64Array(layout.length);
  const second = new Float64Array(layout.length);
  const losses: number[] = [];
  for (let step = 1; step <= 3; step++) {
    const { loss, gradient } = minibatchLoss(network, parameters, batch, options);
    losses.push(loss);
    const coefficient = clipCoefficient(globalNorm(gradient), 0.5);
    const clipped = gradient.map((value) => value * coefficient);
    if (step === 1) {
      expectClose(
        clipped,
        arena(layout, (tensor) => g.output(`clipped_grads/${goldenNames[tensor]!}`)),
      );
    }
    adamW(parameters, clipped, first, second, step, { learningRate: 0.0025, epsilon: 1e-5 });
  }
  expectClose(losses, g.output("adam3_losses"), undefined, "losses");
  expectClose(
    parameters,
    arena(layout, (tensor) => g.output(`adam3_params/${goldenNames[tensor]!}`)),
  );
}

describe("the loss of a row, in its algorithm's own file", () => {
  test("ppo_cleanrl, three Adam steps", () => {
    check(ppo, "ppo_cleanrl");
  });

  test("ppo_no_vclip_no_norm", () => {
    check(ppo, "ppo_no_vclip_no_norm");
  });

  test.each([
    ["a sign in the clip", "./surrogate.ts", "1 - clip), 1 + (", "1 + clip), 1 + ("],
    ["the smaller loss", "./surrogate.ts", "Math.max(unclipped, clipped)", "Math.min(unclipped, clipped)"],
    [
      "the gradient ignores the clip",
      "./surrogate.ts",
      "unclipped >= clipped ? ",
      "unclipped > -Infinity ? ",
    ],
    ["entropy is punished", "./actor-critic-loss.ts", "byEntropy: -entropy", "byEntropy: entropy"],
    ["the value clip's sign", "./actor-critic-loss.ts", "Math.max(change, -clip)", "Math.max(change, clip)"],
    ["the value is not clipped", "./ppo.ts", "settings.valueClip", "null"],
  ])("a seeded fault is caught: %s", async (_, file, find, replace) => {
    const faulty = await importMutated<typeof ppo>(import.meta.url, "./ppo.ts", { file, find, replace });
    expect(() => {
      check(faulty, "ppo_cleanrl");
    }).toThrow(/expected/);
  });

  const scores: readonly [string, RowLossFunction][] = [
    ["reinforce_baseline", reinforce.reinforceRowLoss],
    ["a2c", a2c.a2cRowLoss],
  ];
  test.each(scores)("%s: the score surrogate", (name, rowLoss) => {
    const g = golden(name);
    const network = new ReferenceActorCritic(layout);
    const parameters = arena(layout, (tensor) => g.input(`weights/${goldenNames[tensor]!}`));
    const size = 8;
    const result = minibatchLoss(
      network,
      parameters,
      {
        observations: g.input("obs"),
        actions: g.input("actions"),
        oldLogProbabilities: new Float64Array(size),
        advantages: g.output("advantages"),
        returns: g.input("returns"),
        oldValues: new Float64Array(size),
        mask: g.input("mask"),
      },
      {
        rowLoss,
        clip: 0.2,
        valueClip: null,
        entropyCoefficient: 0,
        // The golden's coefficient is on the mean square, ours on half of it.
        valueCoefficient: 2 * (g.params["vf_coef"] as number),
        normalizeAdvantages: false,
      },
    );
    expectClose(
      result.values.map((v, b) => g.input("returns")[b]! - v),
      g.output("advantages"),
    );
    expectClose(result.loss, g.scalar("loss"), undefined, "loss");
    expectClose(
      result.gradient,
      arena(layout, (tensor) => g.output(`grads/${goldenNames[tensor]!}`)),
    );
  });

  const variants: readonly [string, Partial<ActorCriticShape>, Partial<MinibatchOptions>, number[]][] = [
    ["two towers", {}, {}, [0, 1, 2, 2, 1, 0]],
    ["one trunk", { separateTowers: false }, {}, [0, 1, 2, 2, 1, 0]],
    ["asymmetric and dual clip", {}, { clip: 0.1, clipHigh: 0.3, dualClip: 1.2 }, [0, 1, 2, 2, 1, 0]],
    ["A2C", { separateTowers: false }, { rowLoss: a2c.a2cRowLoss }, [0, 1, 2, 2, 1, 0]],
    ["REINFORCE", {}, { rowLoss: reinforce.reinforceRowLoss }, [0, 1, 2, 2, 1, 0]],
    ["GRPO over episodes", {}, { rowLoss: episodeGrpo.episodeGrpoRowLoss }, [0, 1, 2, 2, 1, 0]],
    ["behaviour cloning", {}, { rowLoss: behaviourCloning.behaviourCloningRowLoss }, [0, 1, 2, 2, 1, 0]],
    [
      "two factors and a cost's value",
      { actionCount: 6, actions: { kind: "factored", counts: [2, 3] }, values: 2 },
      { rowLoss: ppoLagrangian.ppoLagrangianRowLoss },
      [0, 1, 2, 3, 4, 5],
    ],
    [
      "a normal distribution",
      { actionCount: 0, actions: { kind: "continuous", low: -1, high: 1 } },
      {},
      [0.3, -0.2, 1.4, -0.9, 0.1, 0.6],
    ],
    [
      "three normal distributions",
      { actionCount: 0, actions: { kind: "continuous", low: -1, high: 1, dimensions: 3 } },
      {},
      Array.from({ length: 18 }, (_, i) => Math.sin(2.3 * i)),
    ],
  ];
  test.each(variants)("the gradient is that of central differences: %s", (_, shape, choices, actions) => {
    const full = { observationSize: 3, actionCount: 3, hidden: [7, 5], separateTowers: true, ...shape };
    const head = policyHead(full);
    const layout = actorCriticLayout(full);
    const network = new ReferenceActorCritic(layout);
    // Any smooth, aperiodic numbers do.
    const wave = (length: number, scale: number, phase: number): Float64Array =>
      Float64Array.from({ length }, (_, i) => scale * Math.sin(phase + i * 1.7 + 0.01 * i * i));
    const parameters = arena(layout, (name) => {
      const tensor = layout.tensors.find((t) => t.name === name)!;
      return wave(tensor.length, 0.6, tensor.offset);
    });
    const size = 6;
    const batch: Minibatch = {
      observations: wave(size * 3, 1, 0.3),
      actions,
      oldLogProbabilities: wave(size, 0.3, 0.2).map((x) => x - 1.1),
      advantages: wave(size, 1, 2),
      returns: wave(size, 1, 3),
      oldValues: wave(size, 1, 4),
      weights: [1, 0.5, 2, 0, 1, 1.5],
      ...(full.actionCount === 3 ? { mask: [1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1] } : {}),
      ...(full.values === 2 ? { costReturns: wave(size, 1, 5) } : {}),
    };
    const options: MinibatchOptions = {
      head,
      rowLoss: ppo.ppoRowLoss,
      clip: 0.2,
      valueClip: 0.3,
      entropyCoefficient: 0.05,
      valueCoefficient: 0.7,
      normalizeAdvantages: true,
      ...choices,
    };
    const { gradient } = minibatchLoss(network, parameters, batch, options);
    const step = 1e-5;
    const numeric = new Float64Array(layout.length);
    for (const { offset, length } of layout.tensors) {
      for (let i = offset; i < offset + length; i++) {
        const at = (x: number): number => {
          const moved = Float64Array.from(parameters);
          moved[i] = x;
          return minibatchLoss(network, moved, batch, options).loss;
        };
        numeric[i] = (at(parameters[i]! + step) - at(parameters[i]! - step)) / (2 * step);
      }
    }
    expectClose(gradient, numeric, { absolute: 1e-8, relative: 1e-6 });
  });
});
