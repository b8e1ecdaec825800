import { cartPole } from "../../src/env/cartpole.ts";
import type { Demonstrations } from "../../src/rl/behaviour-cloning.ts";

/** Steps of an expert who balances CartPole by hand: pushes to where the pole leans, falls and drifts. */
export function cartPoleDemonstrations(count: number): Demonstrations {
  const pole = cartPole();
  const state = new Float32Array(4);
  const outcome = new Float32Array(2);
  const observations: number[][] = [];
  const actions: number[] = [];
  for (let step = 0; observations.length < count; step++) {
    // Starts all over the place, so that mistakes are shown too.
    if (step % 50 === 0) {
      const word = (k: number): number => (((step / 50 + 1) * 2654435761 * (k + 1)) >>> 0) * 2 ** -32 - 0.5;
      state.set([2 * word(0), 2 * word(1), 0.2 * word(2), 2 * word(3)]);
    }
    const action = 0.1 * state[0]! + 0.25 * state[1]! + 3 * state[2]! + state[3]! > 0 ? 1 : 0;
    observations.push([...state]);
    actions.push(action);
    pole.step(state, 0, action, outcome);
  }
  return { observations, actions };
}
