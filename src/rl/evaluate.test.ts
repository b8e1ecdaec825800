import { expect, test } from "vitest";
import { compileStepReward } from "../compile/compile.ts";
import { cartPole } from "../env/cartpole.ts";
import { initializeParameters } from "../nn/initialize.ts";
import { actorCriticLayout } from "../nn/parameter-layout.ts";
import { evaluateGreedy, recordEpisode } from "./evaluate.ts";
import { ppo } from "./ppo.ts";

test("a recorded episode is the evaluated one, step by step", () => {
  const environment = cartPole();
  const algorithm = ppo({ hidden: [8] });
  const parameters = initializeParameters(actorCriticLayout({ ...environment, ...algorithm }), 5);
  const request = { environment, reward: null, algorithm, state: { parameters }, seed: 5 };
  const evaluation = evaluateGreedy({ ...request, episodes: 3 });
  expect(evaluateGreedy({ ...request, episodes: 3 })).toEqual(evaluation);
  expect(new Set(evaluation.lengths).size).toBeGreaterThan(1);

  const episode = recordEpisode({ ...request, episode: 1 });
  const length = evaluation.lengths[1]!;
  expect([episode.actions.length, episode.rewards.length, episode.states.length]).toEqual([
    length,
    length,
    4 * length,
  ]);
  expect(episode.environmentReturn).toBe(evaluation.environmentReturns[1]);
  expect(episode.terminated).toBe(true);
  const state = episode.states.slice(0, 4);
  const out = new Float32Array(2);
  for (let t = 0; t < length; t++) {
    expect(state).toEqual(episode.states.slice(4 * t, 4 * t + 4));
    environment.step(state, 0, episode.actions[t]!, out);
  }
  expect(out[1]).toBe(1);
  // What was trained, not what the environment gives.
  const reward = compileStepReward("(s, a, next) => next.x - s.x + a", environment);
  const trained = recordEpisode({ ...request, reward, episode: 1 });
  expect(trained.rewards[3]).toBe(
    reward.evaluate(trained.states, 4 * 3, trained.actions[3]!, trained.states, 4 * 4),
  );
  expect(trained.environmentReturn).toBe(episode.environmentReturn);
});
