import { cartPole } from "../../../src/env/cartpole.ts";
import type { Environment } from "../../../src/env/environment.ts";
import { MemoryPlan } from "../../../src/gpu/memory-plan.ts";
import { policyHead, type Action } from "../../../src/kernels/action-space.ts";
import { normal } from "../../../src/kernels/normal.ts";
import { random4, stream, uniform } from "../../../src/kernels/philox.ts";
import { ReferenceActorCritic } from "../../../src/kernels/reference/actor-critic.ts";
import { categorical } from "../../../src/kernels/reference/categorical.ts";
import { RunningStatistics } from "../../../src/kernels/reference/statistics.ts";
import { actorCriticLayout } from "../../../src/nn/parameter-layout.ts";
import { normalizationLength } from "../../../src/rl/normalization.ts";
import { collectionStages } from "../../../src/rl/webgpu-collection.ts";
import {
  actionSection,
  createPpoPlan,
  EPISODE_WORDS,
  type PpoPlanRequest,
} from "../../../src/rl/webgpu-plan.ts";
import { algorithmVariants } from "../../support/algorithm-variants.ts";
import { gpu, random, scalarSlot } from "../support.ts";
import { normals } from "./mlp-cases.ts";
import { Expectation, wordsOf, type KernelTest, type MakeCase, type Words } from "./kernel-case.ts";
import { sections, smallestGroup } from "./rl-cases.ts";

const STEPS = 4;
const SEED = 9;
const FIRST_STEP = 300;

/** The rollout in f64: `STEPS` steps of every environment as shaders/rl/rollout.wgsl describes them. */
const rollout =
  (options: Partial<PpoPlanRequest>): MakeCase =>
  (envs) => {
    const environment: Environment = { ...cartPole(), ...options.environment, maxEpisodeSteps: 3 };
    const request: PpoPlanRequest = {
      ...{ reward: null, hidden: [9], separateTowers: false, minibatchSize: envs, epochs: 1 },
      ...{ normalizeAdvantages: true, truncationBootstrap: true, envs, steps: STEPS, ...options },
      environment,
      // The smallest that fit, so that siblings begin alike.
      ...(options.groups && { groups: { ...options.groups, size: smallestGroup(envs) } }),
    };
    const { reward, cost = null, normalizeObservations = false } = request;
    const whole = request.episodes === "whole";
    const ppo = createPpoPlan(gpu!, request, new MemoryPlan());
    const { rollout: stage } = collectionStages(ppo);
    const layout = actorCriticLayout({ ...environment, ...request, values: cost ? 2 : 1 });
    const plain = random(layout.length, 1).map((x) => 1.2 * x);
    const network = new ReferenceActorCritic(layout);
    const [stateSize, size] = [environment.stateFields.length, environment.observationSize];
    const at = sections(STEPS, envs);
    const length = (index: number): number => stage.buffers[index]!.size / 4;

    const environments = random(envs * stateSize, 2).map((x) => 0.15 * x);
    const episodes = random(length(3), 3);
    for (let env = 0; env < envs; env++) wordsOf(episodes)[env * EPISODE_WORDS + 2] = env % 3;
    const buffers: Record<string, Words> = {
      parameters: ppo.layout.pack(plain),
      ...{ environments, episodes },
      observations: random(length(4), 4),
      transitions: random(length(5), 5),
    };
    const running = Array.from({ length: size }, () => new RunningStatistics());
    if (normalizeObservations) {
      const normalization = random(normalizationLength(size, envs), 6).map((x) => 0.1 * Math.abs(x) + 0.01);
      running.forEach((statistics, i) => {
        statistics.mean = normalization[size + 1 + i]!;
        statistics.variance = normalization[2 * (size + 1) + i]!;
      });
      buffers["normalization"] = normalization;
      buffers["rawObservations"] = random(length(7), 7);
    }

    const expected = new Expectation();
    const put = (name: string, row: number, value: number, exact = false): void => {
      if (exact) expected.word("transitions", at[name]! + row, value);
      else expected.float("transitions", at[name]! + row, value);
    };
    const words = new Uint32Array(4);
    const seen = new Float32Array(size);
    const head = policyHead(environment);
    for (let env = 0; env < envs; env++) {
      let state = environments.slice(env * stateSize, (env + 1) * stateSize);
      const reset = (step: number, index = env): void => {
        state = new Float32Array(stateSize);
        random4(SEED, stream.reset, step, index, words);
        environment.reset(state, 0, words);
      };
      const look = (row: number | null): ReturnType<ReferenceActorCritic["forward"]> => {
        environment.observe(state, 0, seen, 0);
        const observation = Array.from(seen, (x, i) => {
          if (row !== null && normalizeObservations) expected.float("rawObservations", row * size + i, x);
          return normalizeObservations ? running[i]!.normalize(x) : x;
        });
        if (row !== null) {
          observation.forEach((x, i) => {
            expected.float("observations", row * 4 * ppo.layout.observationBlocks + i, x);
          });
        }
        return network.forward(plain, observation);
      };
      const word = env * EPISODE_WORDS;
      let [episodeReturn, environmentReturn] = [episodes[word]!, episodes[word + 1]!];
      let episodeLength = wordsOf(episodes)[word + 2]!;
      let episodeCost = episodes[word + 7]!;
      const ended = { episodes: 0, return: 0, environmentReturn: 0, length: 0, cost: 0 };
      if (whole) {
        reset(FIRST_STEP, Math.floor(env / (request.groups?.size ?? 1)));
        [episodeReturn, environmentReturn, episodeLength, episodeCost] = [0, 0, 0, 0];
      }
      let over = false;
      for (let t = 0; t < STEPS; t++) {
        const row = t * envs + env;
        const step = FIRST_STEP + t;
        if (whole && ended.episodes > 0) {
          over = true;
          for (const name of ["logProbability", "value", "reward", "finalValue", "share"]) put(name, row, 0);
          put("action", row, 0, true);
          put("mask", row, 0xffffffff, true);
          put("ended", row, 1, true);
          if (cost) for (const name of ["cost", "costValue", "finalCostValue"]) put(name, row, 0);
          continue;
        }
        const tape = look(row);
        const mask = environment.mask?.(state, 0);
        if (mask !== undefined) put("mask", row, mask, true);
        let action: Action = 0;
        let logProbability = 0;
        if (head.kind === "gaussian") {
          const taken = new Float32Array(head.outputs);
          for (let d = 0; d < head.outputs; d++) {
            random4(SEED, stream.action, step, env + Math.floor(d / 2) * 2 ** 20, words);
            const noise = normal(words[2 * (d % 2)]!, words[2 * (d % 2) + 1]!);
            const logStd = plain[network.logStd! + d]!;
            const sampled = tape.logits[d]! + Math.exp(logStd) * noise;
            logProbability += -0.5 * noise * noise - logStd - 0.5 * Math.log(2 * Math.PI);
            taken[d] = Math.min(Math.max(sampled, head.low), head.high);
            expected.float("transitions", actionSection(d, STEPS * envs, envs) + row, sampled);
          }
          action = head.outputs === 1 ? taken[0]! : taken;
        } else {
          let first = 0;
          let radix = 1;
          let chosen = 0;
          random4(SEED, stream.action, step, env, words);
          for (const [factor, count] of head.factors.entries()) {
            const allowed = Array.from({ length: count }, (_, k) => ((mask ?? -1) >> (first + k)) & 1);
            const { probabilities, logProbabilities } = categorical(
              tape.logits.slice(first, first + count),
              allowed,
            );
            let choice = 0;
            let cumulative = 0;
            for (let k = 0; k < count; k++) {
              if (probabilities[k]! > 0 && cumulative <= uniform(words[factor]!)) choice = k;
              cumulative += probabilities[k]!;
            }
            logProbability += logProbabilities[choice]!;
            chosen += radix * choice;
            radix *= count;
            first += count;
          }
          put("action", row, chosen, true);
          action = chosen;
        }
        const before = state.slice();
        const outcome = new Float32Array(2);
        environment.step(state, 0, action, outcome);
        const gained = reward ? reward.evaluate(before, 0, action, state, 0) : outcome[0]!;
        episodeReturn += gained;
        environmentReturn += outcome[0]!;
        episodeLength++;
        const terminated = outcome[1] !== 0;
        const limit = whole ? Math.min(3, STEPS) : 3;
        const truncated = !terminated && episodeLength >= limit;
        const bootstraps = truncated && request.truncationBootstrap;
        const last = bootstraps ? look(null) : null;
        if (cost) {
          const paid = cost.evaluate(before, 0, action, state, 0);
          episodeCost += paid;
          put("cost", row, paid);
          put("costValue", row, tape.values[1]!);
          put("finalCostValue", row, last?.values[1] ?? 0);
        }
        if (whole) put("share", row, 1);
        put("logProbability", row, logProbability);
        put("value", row, tape.value);
        put("reward", row, gained);
        put("ended", row, (terminated ? 1 : 0) | (truncated ? 2 : 0), true);
        put("finalValue", row, last?.value ?? 0);
        if (terminated || truncated) {
          ended.episodes++;
          ended.return += episodeReturn;
          ended.environmentReturn += environmentReturn;
          ended.length += episodeLength;
          ended.cost += episodeCost;
          [episodeReturn, environmentReturn, episodeLength, episodeCost] = [0, 0, 0, 0];
          if (!whole) reset(step + 1);
        }
      }
      // The value of a state behind the end of a whole episode is read by nobody.
      if (over || (whole && ended.episodes > 0)) {
        for (const name of ["value", "costValue"]) {
          const place = at[name]! + STEPS * envs + env;
          expected.free("transitions", place, place + 1);
        }
      } else {
        const tape = look(null);
        put("value", STEPS * envs + env, tape.value);
        if (cost) put("costValue", STEPS * envs + env, tape.values[1]!);
      }
      state.forEach((x, i) => {
        expected.float("environments", env * stateSize + i, x);
      });
      const figures = [episodeReturn, environmentReturn, ended.return, ended.environmentReturn];
      [0, 1, 4, 5].forEach((place, i) => {
        expected.float("episodes", word + place, figures[i]!);
      });
      expected.word("episodes", word + 2, episodeLength);
      expected.word("episodes", word + 3, ended.episodes);
      expected.word("episodes", word + 6, ended.length);
      if (cost) {
        expected.float("episodes", word + 7, episodeCost);
        expected.float("episodes", word + 8, ended.cost);
      }
    }
    // Padding of the observations is written as zero.
    const padded = 4 * ppo.layout.observationBlocks;
    const left = expected.floats.get("observations");
    for (let place = 0; place < STEPS * envs * padded; place++) {
      if (!left?.has(place) && place % padded >= size) expected.free("observations", place, place + 1);
    }
    return {
      ...{ kernel: stage.kernel, constants: stage.constants, parts: stage.parts!, buffers, expected },
      ...{ invocations: stage.invocations, workgroup: stage.workgroup, tolerance: 2e-5 },
      slot: scalarSlot({ seed: SEED, baseStep: FIRST_STEP, firstStep: 0, stepCount: STEPS }).bytes,
    };
  };

/** What the engine plans for each of the algorithms' switches, once where the steps are the same. */
const rollouts: ReadonlyMap<string, Partial<PpoPlanRequest>> = new Map(
  algorithmVariants.map(([, { environment, reward, cost = null, algorithm }]) => {
    const { episodes, truncationBootstrap, normalizeObservations, separateTowers, groups } = algorithm;
    const words = [
      normals(policyHead(environment)) ?? (environment.actions ? "two factors" : "one choice"),
      environment.mask ? "masked" : "",
      reward ? "" : "the environment's reward",
      cost ? "a cost" : "",
      episodes === "whole" ? "whole episodes" : "",
      truncationBootstrap ? "" : "no bootstrap",
      normalizeObservations ? "normalised" : "",
    ];
    const options = {
      ...{ environment, reward, cost, episodes, truncationBootstrap, normalizeObservations, separateTowers },
      ...{ hidden: separateTowers ? [9, 6] : [9], groups },
    };
    return [words.filter((word) => word !== "").join(", "), options];
  }),
);

const variants = Object.fromEntries([...rollouts].map(([name, options]) => [name, rollout(options)]));
/** The only ones that `npm test` compiles. */
const inShort = ["two factors, masked", "one choice, the environment's reward, a cost"];

export const rolloutTests: readonly KernelTest[] = [
  {
    shader: "rl/rollout",
    variants,
    proofOnly: Object.keys(variants).filter((name) => !inShort.includes(name)),
    fault: ["length >= MAX_EPISODE_STEPS", "length > MAX_EPISODE_STEPS"],
  },
];
