import type { EngineRequest, TrainingState } from "../../src/rl/engine.ts";
import { ReferenceActorCritic } from "../../src/kernels/reference/actor-critic.ts";
import { categorical, sampleCategorical } from "../../src/kernels/reference/categorical.ts";
import { gae } from "../../src/kernels/reference/gae.ts";
import { adamW, clipCoefficient, globalNorm } from "../../src/kernels/reference/optimizer.ts";
import { ppoLoss } from "../../src/kernels/reference/ppo-loss.ts";
import { epochPermutation } from "../../src/kernels/permutation.ts";
import { random4, stream, uniform } from "../../src/kernels/philox.ts";
import { initializeParameters } from "../../src/nn/initialize.ts";
import { actorCriticLayout } from "../../src/nn/parameter-layout.ts";
import { scheduleValue, updateCount } from "../../src/rl/schedule.ts";

/** What `updates` updates of an engine should come to, in f64 and from the golden-tested references alone. */
export interface ReferenceRun {
  readonly parameters: Float64Array;
  readonly environmentState: Float32Array;
  readonly episodeLength: Uint32Array;
  /** Of the last update. */
  readonly metrics: Readonly<
    Record<"policyLoss" | "valueLoss" | "entropy" | "approximateKl" | "gradientNorm", number>
  >;
  /** Over all updates: episodes that ended, and how many of them by the time limit. */
  readonly episodes: number;
  readonly truncations: number;
}

/** Runs `request` from its start. Slow: for small networks and few steps. */
export function referenceRun(request: EngineRequest, updates: number): ReferenceRun {
  const { environment, reward, algorithm, seed } = request;
  const { envs, steps, epochs, minibatchSize, gamma, lambda } = algorithm;
  const layout = actorCriticLayout({ ...environment, ...algorithm });
  const network = new ReferenceActorCritic(layout);
  const parameters = Float64Array.from(initializeParameters(layout, seed));
  const first = new Float64Array(layout.length);
  const second = new Float64Array(layout.length);
  const fields = environment.stateFields.length;
  const size = environment.observationSize;
  const state = new Float32Array(envs * fields);
  const lengths = new Uint32Array(envs);
  const words = new Uint32Array(4);
  const reset = (n: number, step: number): void => {
    random4(seed, stream.reset, step, n, words);
    environment.reset(state, n * fields, words);
    lengths[n] = 0;
  };
  const observe = (n: number): Float32Array => {
    const observation = new Float32Array(size);
    environment.observe(state, n * fields, observation, 0);
    return observation;
  };
  for (let n = 0; n < envs; n++) reset(n, 0);
  const total = envs * steps;
  const column = (): Float64Array => new Float64Array(total);
  let metrics: Record<string, number> = {};
  let episodes = 0;
  let truncations = 0;
  let optimizerStep = 0;

  for (let update = 0; update < updates; update++) {
    const [rewards, values, nextValues, terminated, truncated] = [
      column(),
      column(),
      column(),
      column(),
      column(),
    ];
    const [actions, oldLogProbabilities] = [column(), column()];
    const observations = new Float64Array(total * size);
    for (let t = 0; t < steps; t++) {
      for (let n = 0; n < envs; n++) {
        const row = t * envs + n;
        const observation = observe(n);
        observations.set(observation, row * size);
        const { logits, value } = network.forward(parameters, observation);
        const policy = categorical(logits);
        random4(seed, stream.action, update * steps + t, n, words);
        const action = sampleCategorical(policy.probabilities, uniform(words[0]!));
        actions[row] = action;
        oldLogProbabilities[row] = policy.logProbabilities[action]!;
        values[row] = value;
        const before = state.slice(n * fields, (n + 1) * fields);
        const outcome = new Float32Array(2);
        environment.step(state, n * fields, action, outcome);
        rewards[row] = reward === null ? outcome[0]! : reward.evaluate(before, 0, action, state, n * fields);
        lengths[n]! += 1;
        const limit = outcome[1] === 0 && lengths[n] === environment.maxEpisodeSteps;
        if (outcome[1] !== 0 || (limit && !algorithm.truncationBootstrap)) terminated[row] = 1;
        else if (limit) truncated[row] = 1;
        nextValues[row] = network.forward(parameters, observe(n)).value;
        if (outcome[1] !== 0 || limit) {
          episodes++;
          if (limit) truncations++;
          reset(n, update * steps + t + 1);
        }
      }
    }
    const { advantages, returns } = gae(
      { steps, envs, gamma, lambda },
      rewards,
      values,
      nextValues,
      terminated,
      truncated,
    );
    const count = updateCount(algorithm);
    const learningRate = scheduleValue(algorithm.learningRate, update, count);
    const clip = scheduleValue(algorithm.clip, update, count);
    const order = new Uint32Array(total);
    const sums: Record<string, number> = {};
    const add = (name: string, value: number): void => {
      sums[name] = (sums[name] ?? 0) + (value * minibatchSize) / (total * epochs);
    };
    for (let epoch = 0; epoch < epochs; epoch++) {
      epochPermutation(seed, update * epochs + epoch, order);
      for (let start = 0; start < total; start += minibatchSize) {
        const rows = [...order.subarray(start, start + minibatchSize)];
        const pick = (data: Float64Array): number[] => rows.map((row) => data[row]!);
        const batch = {
          observations: rows.flatMap((row) => [...observations.subarray(row * size, (row + 1) * size)]),
          actions: pick(actions),
          oldLogProbabilities: pick(oldLogProbabilities),
          advantages: pick(advantages),
          returns: pick(returns),
          oldValues: pick(values),
        };
        const loss = ppoLoss(network, parameters, batch, { ...algorithm, clip });
        const norm = globalNorm(loss.gradient);
        const coefficient = clipCoefficient(norm, algorithm.maxGradientNorm);
        optimizerStep++;
        adamW(
          parameters,
          loss.gradient.map((g) => g * coefficient),
          first,
          second,
          optimizerStep,
          { learningRate, epsilon: algorithm.adamEpsilon, weightDecay: algorithm.weightDecay },
        );
        add("policyLoss", loss.policyLoss);
        add("valueLoss", loss.valueLoss);
        add("entropy", loss.entropy);
        add("approximateKl", loss.klK3);
        add("gradientNorm", norm);
      }
    }
    metrics = sums;
  }
  return {
    parameters,
    environmentState: state,
    episodeLength: lengths,
    metrics: metrics as ReferenceRun["metrics"],
    episodes,
    truncations,
  };
}

/** Whether two states are the same to the last bit. */
export function sameBits(a: TrainingState, b: TrainingState): boolean {
  const words = (array: Float32Array | Uint32Array): string =>
    new Uint32Array(array.buffer, array.byteOffset, array.length).join();
  return (Object.keys(a) as (keyof TrainingState)[]).every((key) => {
    const [x, y] = [a[key], b[key]];
    return typeof x === "number" || typeof y === "number" ? x === y : words(x) === words(y);
  });
}
