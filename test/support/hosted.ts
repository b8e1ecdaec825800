import { actionSize, type Environment } from "../../src/env/environment.ts";
import type { HostBatch, HostReply, HostStepper } from "../../src/env/host-environment.ts";

/** An environment whose state is its observation, stepped in batches as if its code were in another realm. */
export function hosted(environment: Environment): Environment {
  const size = environment.stateFields.length;
  const dimensions = actionSize(environment);
  const states = new Map<number, Float32Array>();
  const outcome = new Float32Array(2);
  const run = ({ indices, actions, truncated, words }: HostBatch): HostReply => {
    const count = indices.length;
    const reply: HostReply = {
      ...{ observations: new Float32Array(count * size), rewards: new Float32Array(count) },
      ...{ terminated: new Uint8Array(count), starts: new Float32Array(count * size) },
      masks: new Uint32Array(environment.mask ? count : 0),
    };
    const mask = (state: Float32Array, i: number): void => {
      if (environment.mask) reply.masks[i] = environment.mask(state, 0);
    };
    indices.forEach((index, i) => {
      const state = states.get(index) ?? new Float32Array(size);
      states.set(index, state);
      if (actions) {
        const action = actions.subarray(i * dimensions, (i + 1) * dimensions);
        environment.step(state, 0, dimensions === 1 ? action[0]! : action, outcome);
        reply.observations.set(state, i * size);
        reply.rewards[i] = outcome[0]!;
        reply.terminated[i] = outcome[1]!;
        mask(state, i);
        if (outcome[1] === 0 && truncated[i] === 0) return;
      }
      environment.reset(state, 0, words.subarray(4 * i, 4 * i + 4));
      reply.starts.set(state, i * size);
      mask(state, i);
    });
    return reply;
  };
  const host: HostStepper = {
    run: (batch) => Promise.resolve().then(() => run(batch)),
    save: (indices) =>
      Promise.resolve(Array.from(indices, (index) => JSON.stringify([...states.get(index)!]))),
    load: (indices, saved) => {
      indices.forEach((index, i) => states.set(index, Float32Array.from(JSON.parse(saved[i]!) as number[])));
      const masks = Array.from(indices, (index) => environment.mask?.(states.get(index)!, 0) ?? 0);
      return Promise.resolve(Uint32Array.from(environment.mask ? masks : []));
    },
  };
  return { ...environment, host };
}
