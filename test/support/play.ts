import { actionSpace, type Environment } from "../../src/env/environment.ts";
import { random4, stream } from "../../src/kernels/philox.ts";

/** Four random words, a function of `index`. */
export function checkWords(index: number): Uint32Array<ArrayBuffer> {
  const out = new Uint32Array(4);
  random4(1, stream.check, 0, index, out);
  return out;
}

export interface PlayedStep {
  readonly before: Float32Array;
  readonly action: number;
  /** Reused by the next step. */
  readonly next: Float32Array;
  readonly reward: number;
  readonly terminated: boolean;
}

/** Plays episodes of at most `steps` steps with random allowed actions and visits every step. */
export function playAtRandom(
  environment: Environment,
  episodes: number,
  steps: number,
  visit: (step: PlayedStep) => void,
): void {
  const space = actionSpace(environment);
  const out = new Float32Array(2);
  for (let episode = 0; episode < episodes; episode++) {
    const next = new Float32Array(environment.stateFields.length);
    environment.reset(next, 0, checkWords(episode));
    for (let t = 0; t < Math.min(environment.maxEpisodeSteps, steps); t++) {
      const before = next.slice();
      const word = checkWords(1000 * (1 + episode) + t)[0]!;
      let action = 0;
      if (space.kind === "continuous") {
        action = Math.fround(space.low + (space.high - space.low) * (word / 2 ** 32));
      } else {
        const allowed = environment.mask?.(before, 0) ?? 0xffffffff;
        action = word % environment.actionCount;
        while (((allowed >>> action) & 1) === 0) action = (action + 1) % environment.actionCount;
      }
      environment.step(next, 0, action, out);
      visit({ before, action, next, reward: out[0]!, terminated: out[1] !== 0 });
      if (out[1] !== 0) break;
    }
  }
}
