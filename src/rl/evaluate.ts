import type { CompiledReward } from "../compile/compiled-reward.ts";
import { actionSize, type Action, type Environment } from "../env/environment.ts";
import { FIRST_EVALUATED } from "../env/host-environment.ts";
import { FulguriteError } from "../gpu/error.ts";
import { random4, stream } from "../kernels/philox.ts";
import { policyHead } from "../kernels/action-space.ts";
import type { AlgorithmConfig } from "./config.ts";
import { cpuPolicy } from "./cpu-policy.ts";
import type { TrainingState } from "./engine.ts";
import { greedyAction } from "./greedy-action.ts";
import { networkShape } from "./network.ts";
import { hostedEnvironment } from "./hosted-environment.ts";
import { normalizeObservation } from "./normalization.ts";

export interface EvaluationRequest {
  readonly environment: Environment;
  /** Null: the environment's own reward. */
  readonly reward: CompiledReward | null;
  readonly algorithm: AlgorithmConfig;
  readonly state: Pick<TrainingState, "parameters" | "normalization">;
  readonly seed: number;
}

export interface Evaluation {
  /** Per episode: undiscounted sums of the environment's own and of the trained reward, and the length in steps. */
  readonly environmentReturns: Float64Array;
  readonly episodeReturns: Float64Array;
  readonly lengths: Uint32Array;
  /** By the name of each part of the environment's own reward: its sum over an episode, mean of the episodes. */
  readonly components: Readonly<Record<string, number>>;
}

/** One episode for a replay; states are the ones in which the actions were taken. */
export interface RecordedEpisode {
  /** [length x stateSize] */
  readonly states: Float32Array;
  /** [length], or [length x dimensions]. */
  readonly actions: Float32Array;
  /** Trained rewards. */
  readonly rewards: Float32Array;
  readonly environmentReturn: number;
  readonly terminated: boolean;
}

/**
 * Plays `episodes` episodes with the likeliest action from start states that training never saw (their own random
 * stream; episode k has the same start state at every evaluation of a seed). Needs no engine; the same numbers
 * everywhere.
 */
export const evaluateGreedy = (request: EvaluationRequest & { readonly episodes: number }): Evaluation =>
  atOnce(evaluating(request));

/** The same in any environment, also in one whose steps come from another realm. */
export const evaluateAnywhere = (
  request: EvaluationRequest & { readonly episodes: number },
): Promise<Evaluation> => waiting(evaluating(request));

function* evaluating(
  request: EvaluationRequest & { readonly episodes: number },
): Generator<Promise<void>, Evaluation> {
  const { episodes } = request;
  const environmentReturns = new Float64Array(episodes);
  const episodeReturns = new Float64Array(episodes);
  const lengths = new Uint32Array(episodes);
  const numbers = Array.from({ length: episodes }, (_, k) => k);
  const { columns } = cpuPolicy(networkShape(request.environment, request.algorithm), episodes);
  const parts = request.environment.rewardComponents;
  const values = new Float32Array(parts?.names.length ?? 0);
  const sums = new Float64Array(values.length);
  for (let first = 0; first < episodes; first += columns) {
    yield* play(request, numbers.slice(first, first + columns), (episode, step) => {
      environmentReturns[episode]! += step.environmentReward;
      episodeReturns[episode]! += step.reward;
      lengths[episode]! += 1;
      if (!parts) return;
      parts.evaluate(step.before, 0, step.action, step.states, step.at, values);
      for (let i = 0; i < values.length; i++) sums[i]! += values[i]!;
    });
  }
  const components = Object.fromEntries((parts?.names ?? []).map((name, i) => [name, sums[i]! / episodes]));
  return { environmentReturns, episodeReturns, lengths, components };
}

/** Plays evaluation episode `episode` (default 0) and keeps all of it. */
export const recordEpisode = (request: EvaluationRequest & { readonly episode?: number }): RecordedEpisode =>
  atOnce(recording(request));

/** The same in any environment, also in one whose steps come from another realm. */
export const recordAnywhere = (
  request: EvaluationRequest & { readonly episode?: number },
): Promise<RecordedEpisode> => waiting(recording(request));

function* recording(
  request: EvaluationRequest & { readonly episode?: number },
): Generator<Promise<void>, RecordedEpisode> {
  const { maxEpisodeSteps, stateFields } = request.environment;
  const states = new Float32Array(maxEpisodeSteps * stateFields.length);
  const size = actionSize(request.environment);
  const actions = new Float32Array(maxEpisodeSteps * size);
  const rewards = new Float32Array(maxEpisodeSteps);
  let length = 0;
  let environmentReturn = 0;
  let terminated = false;
  yield* play(request, [request.episode ?? 0], (_, step) => {
    states.set(step.before, length * stateFields.length);
    actions.set(typeof step.action === "number" ? [step.action] : step.action, length * size);
    rewards[length] = step.reward;
    length++;
    environmentReturn += step.environmentReward;
    terminated = step.terminated;
  });
  return {
    states: states.slice(0, length * stateFields.length),
    actions: actions.slice(0, length * size),
    rewards: rewards.slice(0, length),
    environmentReturn,
    terminated,
  };
}

interface PlayedStep {
  /** Reused by the next step. */
  readonly before: Float32Array;
  readonly action: Action;
  /** Holds the state after the step at `at`. */
  readonly states: Float32Array;
  readonly at: number;
  readonly reward: number;
  readonly environmentReward: number;
  readonly terminated: boolean;
}

/** Plays the episodes side by side, each a column of the policy's block until it ends. */
function* play(
  request: EvaluationRequest,
  episodes: readonly number[],
  onStep: (episode: number, step: PlayedStep) => void,
): Generator<Promise<void>, void> {
  const { algorithm, reward, state, seed } = request;
  const hosted = hostedEnvironment(request.environment, FIRST_EVALUATED + (episodes[0] ?? 0));
  const environment = hosted ?? request.environment;
  const { stateFields, observationSize } = environment;
  const policy = cpuPolicy(networkShape(environment, algorithm), episodes.length);
  const { columns, logits } = policy;
  const statistics = algorithm.normalizeObservations ? state.normalization : undefined;
  policy.parameters.set(state.parameters);
  const size = stateFields.length;
  const states = new Float32Array(size * episodes.length);
  const before = new Float32Array(size);
  const observation = new Float32Array(observationSize);
  const outcome = new Float32Array(2);
  const words = new Uint32Array(4);
  const startWords = (c: number, out: Uint32Array): void => {
    random4(seed, stream.evaluation, 0, episodes[c]!, out);
  };
  if (hosted) yield hosted.begin([...episodes.keys()], startWords);
  episodes.forEach((_, c) => {
    startWords(c, words);
    environment.reset(states, c * size, words);
  });
  let playing = episodes.map((_, c) => c);
  for (let t = 0; t < environment.maxEpisodeSteps && playing.length > 0; t++) {
    for (const c of playing) {
      environment.observe(states, c * size, observation, 0);
      if (statistics) normalizeObservation(statistics, observation);
      for (let o = 0; o < observationSize; o++) policy.observations[o * columns + c] = observation[o]!;
    }
    policy.forward();
    const actionOf = (c: number): Action =>
      greedyAction(
        policyHead(environment),
        (k) => logits[k * columns + c]!,
        environment.mask?.(states, c * size),
      );
    // Before anything is stepped: what is allowed afterwards is something else.
    const actions = new Map(playing.map((c) => [c, actionOf(c)]));
    if (hosted) {
      const steps = playing.map((c) => ({ index: c, action: actions.get(c)!, truncated: false }));
      yield hosted.advance(steps, startWords);
    }
    playing = playing.filter((c) => {
      const action = actions.get(c)!;
      for (let i = 0; i < size; i++) before[i] = states[c * size + i]!;
      environment.step(states, c * size, action, outcome);
      const environmentReward = outcome[0]!;
      const terminated = outcome[1] !== 0;
      const trained =
        reward === null
          ? environmentReward
          : Math.fround(reward.evaluate(before, 0, action, states, c * size));
      onStep(episodes[c]!, {
        ...{ before, action, states, at: c * size },
        ...{ reward: trained, environmentReward, terminated },
      });
      return !terminated;
    });
  }
}

/** Runs to the end what never has to wait. */
function atOnce<T>(work: Generator<Promise<void>, T>): T {
  const turn = work.next();
  if (turn.done === true) return turn.value;
  void turn.value.catch(() => undefined);
  throw new FulguriteError(
    "rl/host-environment",
    "The steps of this environment come from another realm, and have to be waited for.",
    "Evaluate it while it trains.",
  );
}

async function waiting<T>(work: Generator<Promise<void>, T>): Promise<T> {
  for (;;) {
    const turn = work.next();
    if (turn.done === true) return turn.value;
    await turn.value;
  }
}
