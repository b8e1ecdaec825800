import type { CompiledReward } from "../compile/compiled-reward.ts";
import type { Environment } from "../env/environment.ts";
import { tanh } from "../kernels/math.ts";
import { random4, stream } from "../kernels/philox.ts";
import { actorCriticTowers, type DenseLayer } from "../kernels/towers.ts";
import { actorCriticLayout } from "../nn/parameter-layout.ts";
import type { AlgorithmConfig } from "./config.ts";

export interface EvaluationRequest {
  readonly environment: Environment;
  /** Null: the environment's own reward. */
  readonly reward: CompiledReward | null;
  readonly algorithm: AlgorithmConfig;
  /** Flat arena, as in `TrainingState.parameters`. */
  readonly parameters: Float32Array;
  readonly seed: number;
}

export interface Evaluation {
  /** Per episode: undiscounted sums of the environment's own and of the trained reward, and the length in steps. */
  readonly environmentReturns: Float64Array;
  readonly episodeReturns: Float64Array;
  readonly lengths: Uint32Array;
}

/** One episode for a replay; states are the ones in which the actions were taken. */
export interface RecordedEpisode {
  /** [length x stateSize] */
  readonly states: Float32Array;
  readonly actions: Uint8Array;
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
export function evaluateGreedy(request: EvaluationRequest & { readonly episodes: number }): Evaluation {
  const { episodes } = request;
  const environmentReturns = new Float64Array(episodes);
  const episodeReturns = new Float64Array(episodes);
  const lengths = new Uint32Array(episodes);
  for (let episode = 0; episode < episodes; episode++) {
    play(request, episode, (step) => {
      environmentReturns[episode]! += step.environmentReward;
      episodeReturns[episode]! += step.reward;
      lengths[episode]! += 1;
    });
  }
  return { environmentReturns, episodeReturns, lengths };
}

/** Plays evaluation episode `episode` (default 0) and keeps all of it. */
export function recordEpisode(request: EvaluationRequest & { readonly episode?: number }): RecordedEpisode {
  const states: number[] = [];
  const actions: number[] = [];
  const rewards: number[] = [];
  let environmentReturn = 0;
  let terminated = false;
  play(request, request.episode ?? 0, (step) => {
    states.push(...step.before);
    actions.push(step.action);
    rewards.push(step.reward);
    environmentReturn += step.environmentReward;
    terminated = step.terminated;
  });
  return {
    states: Float32Array.from(states),
    actions: Uint8Array.from(actions),
    rewards: Float32Array.from(rewards),
    environmentReturn,
    terminated,
  };
}

interface PlayedStep {
  readonly before: Float32Array;
  readonly action: number;
  readonly reward: number;
  readonly environmentReward: number;
  readonly terminated: boolean;
}

function play(request: EvaluationRequest, episode: number, onStep: (step: PlayedStep) => void): void {
  const { environment, reward, seed } = request;
  const chooseAction = greedyPolicy(request);
  const state = new Float32Array(environment.stateFields.length);
  const before = new Float32Array(state.length);
  const observation = new Float32Array(environment.observationSize);
  const outcome = new Float32Array(2);
  const words = new Uint32Array(4);
  random4(seed, stream.evaluation, 0, episode, words);
  environment.reset(state, 0, words);
  for (let t = 0; t < environment.maxEpisodeSteps; t++) {
    before.set(state);
    environment.observe(state, 0, observation, 0);
    const action = chooseAction(observation);
    environment.step(state, 0, action, outcome);
    const environmentReward = outcome[0]!;
    const terminated = outcome[1] !== 0;
    onStep({
      before,
      action,
      reward: reward === null ? environmentReward : Math.fround(reward.evaluate(before, 0, action, state, 0)),
      environmentReward,
      terminated,
    });
    if (terminated) return;
  }
}

/** The action of the largest logit; the critic is left out. */
function greedyPolicy(request: EvaluationRequest): (observation: Float32Array) => number {
  const { environment, algorithm, parameters } = request;
  const layout = actorCriticLayout({
    observationSize: environment.observationSize,
    actionCount: environment.actionCount,
    hidden: algorithm.hidden,
    separateTowers: algorithm.separateTowers,
  });
  const towers = actorCriticTowers(layout);
  const layers = [...towers.trunk, ...towers.actor];
  const outputs = layers.map((layer) => new Float32Array(layer.outputs));
  return (observation) => {
    let x = observation;
    layers.forEach((layer, l) => {
      const y = outputs[l]!;
      dense(parameters, layer, x, y);
      if (l < layers.length - 1) for (let o = 0; o < y.length; o++) y[o] = tanh(y[o]!);
      x = y;
    });
    let best = 0;
    for (let k = 1; k < x.length; k++) if (x[k]! > x[best]!) best = k;
    return best;
  };
}

function dense(parameters: Float32Array, layer: DenseLayer, x: Float32Array, y: Float32Array): void {
  for (let o = 0; o < layer.outputs; o++) {
    let sum = parameters[layer.bias + o]!;
    const row = layer.weight + o * layer.inputs;
    for (let i = 0; i < layer.inputs; i++) sum += parameters[row + i]! * x[i]!;
    y[o] = sum;
  }
}
