import type { CompiledLoss } from "../../src/compile/compile-loss.ts";
import { actionSize, policyHead } from "../../src/kernels/action-space.ts";
import { categorical, sampleCategorical } from "../../src/kernels/reference/categorical.ts";
import { gae } from "../../src/kernels/reference/gae.ts";
import { adamW, clipCoefficient, globalNorm, rmsProp } from "../../src/kernels/reference/optimizer.ts";
import { actionTerms } from "../../src/kernels/reference/policy-distribution.ts";
import { minibatchLoss } from "../../src/kernels/reference/minibatch-loss.ts";
import { normalize, RunningStatistics } from "../../src/kernels/reference/statistics.ts";
import type { RowLossFunction } from "../../src/kernels/row-loss.ts";
import { epochPermutation } from "../../src/kernels/permutation.ts";
import { random4, stream, uniform } from "../../src/kernels/philox.ts";
import { ReferenceActorCritic } from "../../src/kernels/reference/actor-critic.ts";
import { initializeParameters } from "../../src/nn/initialize.ts";
import { actorCriticLayout } from "../../src/nn/parameter-layout.ts";
import { a2cRowLoss } from "../../src/rl/a2c.ts";
import { behaviourCloningRowLoss } from "../../src/rl/behaviour-cloning.ts";
import type { PolicyGradientConfig } from "../../src/rl/config.ts";
import type { EngineRequest, TrainingState } from "../../src/rl/engine.ts";
import { episodeGrpoRowLoss } from "../../src/rl/episode-grpo.ts";
import { ppoLagrangianRowLoss } from "../../src/rl/ppo-lagrangian.ts";
import { ppoRowLoss } from "../../src/rl/ppo.ts";
import { reinforceRowLoss } from "../../src/rl/reinforce.ts";
import { scheduleValue, updateCount } from "../../src/rl/schedule.ts";

/** What `updates` updates of an engine should come to, in f64 and from the golden-tested references alone. */
export interface ReferenceRun {
  readonly parameters: Float64Array;
  readonly environmentState: Float32Array;
  readonly episodeLength: Uint32Array;
  /** Of the last update. */
  readonly metrics: Readonly<
    Record<
      | "policyLoss"
      | "valueLoss"
      | "entropy"
      | "approximateKl"
      | "clipFraction"
      | "gradientNorm"
      | "optimizerSteps"
      | "episodeCost",
      number
    >
  >;
  /** Lagrangian multiplier after the last update. */
  readonly multiplier: number;
  /** Over all updates: episodes that ended, and how many of them by the time limit. */
  readonly episodes: number;
  readonly truncations: number;
}

const rowLosses: Readonly<Record<PolicyGradientConfig["kind"], RowLossFunction>> = {
  ppo: ppoRowLoss,
  a2c: a2cRowLoss,
  reinforce: reinforceRowLoss,
  "ppo-lagrangian": ppoLagrangianRowLoss,
  "episode-grpo": episodeGrpoRowLoss,
  "behaviour-cloning": behaviourCloningRowLoss,
};

/** Runs `request` from its start, read off the equations, whatever the algorithm. Slow: for small networks and few steps. */
export function referenceRun(request: EngineRequest, updates: number): ReferenceRun {
  const { environment, reward, cost = null, algorithm, seed } = request;
  const { envs, steps, epochs, minibatchSize, gamma, lambda, groups, costLimit } = algorithm;
  const whole = algorithm.episodes === "whole";
  const limit = whole ? Math.min(steps, environment.maxEpisodeSteps) : environment.maxEpisodeSteps;
  const head = policyHead(environment);
  const dimensions = actionSize(environment);
  const layout = actorCriticLayout({ ...environment, ...algorithm, values: costLimit ? 2 : 1 });
  const network = new ReferenceActorCritic(layout);
  const parameters = Float64Array.from(initializeParameters(layout, seed));
  const first = new Float64Array(layout.length);
  const second = new Float64Array(layout.length);
  if (algorithm.optimizer === "rmsprop-tensorflow") {
    for (const { offset, length } of layout.tensors) second.fill(1, offset, offset + length);
  }
  const fields = environment.stateFields.length;
  const size = environment.observationSize;
  const state = new Float32Array(envs * fields);
  const lengths = new Uint32Array(envs);
  const episodeCosts = new Float64Array(envs);
  const words = new Uint32Array(4);
  const observed = Array.from({ length: size }, () => new RunningStatistics());
  const returned = new RunningStatistics();
  const discounted = new Float64Array(envs);
  const reset = (n: number, step: number, index = n): void => {
    random4(seed, stream.reset, step, index, words);
    environment.reset(state, n * fields, words);
    lengths[n] = 0;
    episodeCosts[n] = 0;
  };
  const raw = (n: number): Float64Array => {
    const observation = new Float32Array(size);
    environment.observe(state, n * fields, observation, 0);
    return Float64Array.from(observation);
  };
  const seen = (observation: Float64Array): Float64Array =>
    algorithm.normalizeObservations ? observation.map((x, i) => observed[i]!.normalize(x)) : observation;
  for (let n = 0; n < envs; n++) reset(n, 0);
  const total = envs * steps;
  const column = (): Float64Array => new Float64Array(total);
  let metrics: Record<string, number> = {};
  let multiplier = costLimit?.initial ?? NaN;
  let excess = 0;
  let previousCost = 0;
  let episodes = 0;
  let truncations = 0;
  let optimizerStep = 0;

  for (let update = 0; update < updates; update++) {
    const [rewards, costs, terminated, truncated, weights] = [
      column(),
      column(),
      column(),
      column(),
      column(),
    ];
    const [values, nextValues, costValues, nextCostValues] = [column(), column(), column(), column()];
    const [oldLogProbabilities, advantages] = [column(), column()];
    const actions = new Float64Array(total * dimensions);
    const observations = new Float64Array(total * size);
    const rawObservations = new Float64Array(total * size);
    const masks = new Float64Array(total * head.outputs).fill(1);
    const scores = new Float64Array(envs);
    const ended: number[] = [];
    const alive = new Uint8Array(envs).fill(1);
    if (whole) {
      for (let n = 0; n < envs; n++) reset(n, update * steps, groups ? Math.floor(n / groups.size) : n);
    }
    for (let t = 0; t < steps; t++) {
      for (let n = 0; n < envs; n++) {
        const row = t * envs + n;
        if (alive[n] === 0) {
          terminated[row] = 1;
          continue;
        }
        const observation = seen(raw(n));
        rawObservations.set(raw(n), row * size);
        observations.set(observation, row * size);
        const allowed = environment.mask?.(state, n * fields) ?? 0xffffffff;
        const mask = Array.from({ length: head.outputs }, (_, k) => (allowed >>> k) & 1);
        masks.set(mask, row * head.outputs);
        const { logits, values: estimates } = network.forward(parameters, observation);
        random4(seed, stream.action, update * steps + t, n, words);
        const action = new Float64Array(dimensions);
        const logStd = parameters.subarray(network.logStd ?? 0, (network.logStd ?? 0) + dimensions);
        if (head.kind === "gaussian") {
          for (let d = 0; d < dimensions; d++) {
            const at = 2 * (d % 2);
            random4(seed, stream.action, update * steps + t, n + 2 ** 20 * Math.floor(d / 2), words);
            const u = (2 ** 24 - (words[at]! >>> 8)) / 2 ** 24;
            const noise = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * uniform(words[at + 1]!));
            action[d] = logits[d]! + Math.exp(logStd[d]!) * noise;
          }
        } else {
          let at = 0;
          let radix = 1;
          head.factors.forEach((count, f) => {
            const { probabilities } = categorical(logits.slice(at, at + count), mask.slice(at, at + count));
            action[0]! += radix * sampleCategorical(probabilities, uniform(words[f]!));
            radix *= count;
            at += count;
          });
        }
        actions.set(action, row * dimensions);
        const sampled = dimensions === 1 ? action[0]! : action;
        oldLogProbabilities[row] = actionTerms(head, logits, logStd, sampled, mask).logProbability;
        values[row] = estimates[0]!;
        costValues[row] = estimates[1] ?? 0;
        weights[row] = 1;
        const before = state.slice(n * fields, (n + 1) * fields);
        const outcome = new Float32Array(2);
        const bounded =
          head.kind === "gaussian"
            ? Float32Array.from(action, (x) => Math.min(Math.max(x, head.low), head.high))
            : action;
        const taken = dimensions === 1 ? bounded[0]! : bounded;
        environment.step(state, n * fields, taken, outcome);
        rewards[row] = reward === null ? outcome[0]! : reward.evaluate(before, 0, taken, state, n * fields);
        scores[n]! += rewards[row]!;
        costs[row] = cost === null ? 0 : cost.evaluate(before, 0, taken, state, n * fields);
        episodeCosts[n]! += costs[row]!;
        lengths[n]! += 1;
        const cut = outcome[1] === 0 && lengths[n] === limit;
        if (outcome[1] !== 0 || (cut && !algorithm.truncationBootstrap)) terminated[row] = 1;
        else if (cut) truncated[row] = 1;
        const after = network.forward(parameters, seen(raw(n))).values;
        nextValues[row] = after[0]!;
        nextCostValues[row] = after[1] ?? 0;
        if (outcome[1] !== 0 || cut) {
          episodes++;
          ended.push(episodeCosts[n]!);
          if (cut) truncations++;
          if (whole) alive[n] = 0;
          else reset(n, update * steps + t + 1);
        }
      }
    }

    const live = [...weights.keys()].filter((row) => weights[row] !== 0);
    if (algorithm.normalizeObservations) {
      observed.forEach((statistics, o) => {
        statistics.merge(live.map((row) => rawObservations[row * size + o]!));
      });
    }
    if (algorithm.normalizeRewards) {
      const sums = live.map((row) => {
        const n = row % envs;
        const sum = gamma * discounted[n]! + rewards[row]!;
        discounted[n] = terminated[row] !== 0 || truncated[row] !== 0 ? 0 : sum;
        return sum;
      });
      returned.merge(sums);
      for (const row of live) {
        const scaled = rewards[row]! / Math.sqrt(returned.variance + 1e-8);
        rewards[row] = Math.min(Math.max(scaled, -10), 10);
      }
    }
    const shape = { steps, envs, gamma, lambda };
    const estimate = gae(shape, rewards, values, nextValues, terminated, truncated);
    advantages.set(estimate.advantages);
    const costEstimate = gae(shape, costs, costValues, nextCostValues, terminated, truncated);
    if (costLimit) {
      advantages.forEach((a, i) => {
        advantages[i] = (a - multiplier * costEstimate.advantages[i]!) / (1 + multiplier);
      });
    }
    if (whole) {
      const counts = Array.from({ length: envs }, (_, n) => live.filter((row) => row % envs === n).length);
      for (const row of live) {
        const n = row % envs;
        const aggregation = groups?.aggregation ?? "step-mean";
        if (aggregation === "episode-mean") weights[row] = steps / counts[n]!;
        if (aggregation === "step-mean") weights[row] = total / live.length;
        if (!groups) continue;
        const from = Math.floor(n / groups.size) * groups.size;
        const siblings = scores.slice(from, from + groups.size);
        const mean = siblings.reduce((a, b) => a + b, 0) / groups.size;
        const variance = siblings.reduce((sum, r) => sum + (r - mean) ** 2, 0) / (groups.size - 1);
        let advantage = scores[n]! - mean;
        if (groups.advantage === "standardized") advantage /= Math.sqrt(variance) + 1e-4;
        if (groups.advantage === "leave-one-out") advantage *= groups.size / (groups.size - 1);
        advantages[row] = advantage;
      }
    }

    const count = updateCount(algorithm);
    const learningRate = scheduleValue(algorithm.learningRate, update, count);
    const clip = scheduleValue(algorithm.clip, update, count);
    const order = new Uint32Array(total);
    const sums: Record<string, number> = {};
    const add = (name: string, value: number): void => {
      sums[name] = (sums[name] ?? 0) + value;
    };
    const { klStop } = algorithm;
    let taken = 0;
    epochs: for (let epoch = 0; epoch < epochs; epoch++) {
      epochPermutation(seed, update * epochs + epoch, order);
      for (let start = 0; start < total; start += minibatchSize) {
        const rows = [...order.subarray(start, start + minibatchSize)];
        const pick = (data: Float64Array): number[] => rows.map((row) => data[row]!);
        const counted = rows.filter((row) => weights[row] !== 0);
        const normalized = normalize(counted.map((row) => advantages[row]!));
        const batch = {
          observations: rows.flatMap((row) => [...observations.subarray(row * size, (row + 1) * size)]),
          mask: rows.flatMap((row) => [...masks.subarray(row * head.outputs, (row + 1) * head.outputs)]),
          actions: rows.flatMap((row) => [...actions.subarray(row * dimensions, (row + 1) * dimensions)]),
          oldLogProbabilities: pick(oldLogProbabilities),
          advantages: algorithm.normalizeAdvantages
            ? rows.map((row) => normalized[counted.indexOf(row)] ?? 0)
            : pick(advantages),
          returns: pick(estimate.returns),
          oldValues: pick(values),
          weights: pick(weights),
          ...(costLimit && { costReturns: pick(costEstimate.returns) }),
        };
        const ownLoss = rowLosses[algorithm.kind];
        const loss = minibatchLoss(network, parameters, batch, {
          ...algorithm,
          rowLoss: request.loss ? customRowLoss(request.loss, ownLoss, algorithm.separateTowers) : ownLoss,
          head,
          clip,
          normalizeAdvantages: false,
        });
        if (klStop?.when === "step" && loss.klK3 > klStop.limit) break epochs;
        const norm = globalNorm(loss.gradient);
        const coefficient = clipCoefficient(norm, algorithm.maxGradientNorm);
        optimizerStep++;
        taken++;
        const clipped = loss.gradient.map((g) => g * coefficient);
        const { adamEpsilon: epsilon, weightDecay, rmspropDecay: alpha, optimizer } = algorithm;
        if (optimizer === "adamw") {
          adamW(parameters, clipped, first, second, optimizerStep, { learningRate, epsilon, weightDecay });
        } else {
          const insideRoot = optimizer === "rmsprop-tensorflow";
          rmsProp(parameters, clipped, second, { learningRate, alpha, epsilon, insideRoot });
        }
        add("policyLoss", loss.policyLoss);
        add("valueLoss", loss.valueLoss);
        add("entropy", loss.entropy);
        add("approximateKl", loss.klK3);
        add("clipFraction", loss.clipFraction);
        add("gradientNorm", norm);
        const last = start + minibatchSize >= total;
        if (klStop?.when === "epoch" && last && loss.klK3 > klStop.limit) break epochs;
      }
    }
    metrics = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / taken]));
    metrics["optimizerSteps"] = taken;
    const episodeCost = ended.length === 0 ? NaN : ended.reduce((a, b) => a + b, 0) / ended.length;
    metrics["episodeCost"] = costLimit ? episodeCost : NaN;
    if (costLimit && ended.length > 0) {
      const { control } = costLimit;
      const error = episodeCost - costLimit.limit;
      if (control.kind === "ascent") multiplier = Math.max(0, multiplier + control.rate * error);
      else {
        excess = Math.max(0, excess + error);
        const { proportional, integral, derivative } = control;
        const rise = Math.max(0, episodeCost - previousCost);
        multiplier = Math.max(0, proportional * error + integral * excess + derivative * rise);
        previousCost = episodeCost;
      }
    }
  }
  return {
    parameters,
    environmentState: state,
    episodeLength: lengths,
    metrics: metrics as ReferenceRun["metrics"],
    multiplier,
    episodes,
    truncations,
  };
}

/** A compiled loss in f64; where the towers are separate its value is taken at the old value, as engines do. */
const customRowLoss =
  (loss: CompiledLoss, own: RowLossFunction, separate: boolean): RowLossFunction =>
  (row, settings) => {
    const columns = (value: number): readonly number[] => [
      ...[row.logProbability, row.oldLogProbability, row.advantage, value],
      ...[row.oldValue, row.return, row.entropy, 1],
    ];
    const by = (k: number): number => loss.referenceDerivative(columns(row.value), 0, k).value;
    const mean = loss.reference(columns(separate ? row.oldValue : row.value), 0).value;
    return {
      ...own(row, settings),
      ...{ loss: mean, policyLoss: mean },
      ...{ byLogProbability: by(0), byValue: by(1), byEntropy: by(2) },
    };
  };

/** Whether two states are the same to the last bit. */
export function sameBits(a: TrainingState, b: TrainingState): boolean {
  const words = (array: Float32Array | Uint32Array): string =>
    new Uint32Array(array.buffer, array.byteOffset, array.length).join();
  return (Object.keys(a) as (keyof TrainingState)[]).every((key) => {
    const [x, y] = [a[key], b[key]];
    if (x === undefined || y === undefined) return x === y;
    return typeof x === "object" && typeof y === "object" ? words(x) === words(y) : x === y;
  });
}
