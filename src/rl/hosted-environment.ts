import type { Action, Environment } from "../env/environment.ts";
import type { HostReply } from "../env/host-environment.ts";
import { FulguriteError } from "../gpu/error.ts";

/**
 * A host environment as the engines see it: what its `reset` and `step` give was fetched before, in one batch. The
 * caller fetches for the environments that it is about to step.
 */
export interface HostedEnvironment extends Environment {
  /** Fetches the start of an episode for each of these. */
  begin(indices: readonly number[], words: (index: number, out: Uint32Array) => void): Promise<void>;
  /** Fetches one step of each, and the start of the next episode where one ends. */
  advance(steps: readonly HostedStep[], words: (index: number, out: Uint32Array) => void): Promise<void>;
  /** What is inside of the first `count`, for `load`; null where the environment does not say. */
  save(count: number): Promise<string | null>;
  load(saved: string): Promise<void>;
}

export interface HostedStep {
  readonly index: number;
  readonly action: Action;
  /** Whether the time limit ends the episode with this step. */
  readonly truncated: boolean;
}

/**
 * Wraps a host environment for one engine or evaluation; null for any other environment. The state of environment n
 * stands at n x observations. Environments of different `offset` are different ones.
 */
export function hostedEnvironment(environment: Environment, offset = 0): HostedEnvironment | null {
  const { host, observationSize: size } = environment;
  if (!host) return null;
  const row = new Map<number, number>();
  let reply: HostReply = {
    ...{ observations: new Float32Array(), rewards: new Float32Array() },
    ...{ terminated: new Uint8Array(), starts: new Float32Array(), masks: new Uint32Array() },
  };
  const masks = new Map<number, number>();
  const placesOf = (indices: readonly number[]): Int32Array =>
    Int32Array.from(indices, (index) => index + offset);
  const fetch = async (
    indices: readonly number[],
    actions: Float32Array | null,
    truncated: Uint8Array,
    wordsOf: (index: number, out: Uint32Array) => void,
  ): Promise<void> => {
    const words = new Uint32Array(4 * indices.length);
    const one = new Uint32Array(4);
    indices.forEach((index, i) => {
      wordsOf(index, one);
      words.set(one, 4 * i);
    });
    reply = await host.run({ indices: placesOf(indices), actions, truncated, words });
    row.clear();
    indices.forEach((index, i) => {
      row.set(index, i);
      if (reply.masks.length > 0) masks.set(index, reply.masks[i]!);
    });
  };
  const copy = (from: Float32Array, state: Float32Array, at: number): void => {
    const i = row.get(at / size);
    // Before the first batch there is nothing, and nobody looks.
    if (i === undefined) state.fill(0, at, at + size);
    else state.set(from.subarray(i * size, (i + 1) * size), at);
  };
  return {
    ...environment,
    begin: (indices, words) => fetch(indices, null, new Uint8Array(indices.length), words),
    advance: (steps, words) =>
      fetch(
        steps.map(({ index }) => index),
        Float32Array.from(
          steps.flatMap(({ action }) => (typeof action === "number" ? action : Array.from(action))),
        ),
        Uint8Array.from(steps, ({ truncated }) => (truncated ? 1 : 0)),
        words,
      ),
    save: async (count) => {
      const texts = await host.save(placesOf([...Array(count).keys()]));
      return texts && JSON.stringify(texts);
    },
    load: async (saved) => {
      const texts = savedTexts(saved);
      const allowed = await host.load(placesOf([...texts.keys()]), texts);
      allowed.forEach((mask, index) => masks.set(index, mask));
    },
    ...(environment.mask && { mask: (_: Float32Array, at: number) => masks.get(at / size) ?? 0xffffffff }),
    reset: (state, at) => {
      copy(reply.starts, state, at);
    },
    step: (state, at, _action, out) => {
      copy(reply.observations, state, at);
      const i = row.get(at / size)!;
      out[0] = reply.rewards[i]!;
      out[1] = reply.terminated[i]!;
    },
  };
}

function savedTexts(saved: string): readonly string[] {
  try {
    const texts: unknown = JSON.parse(saved);
    if (Array.isArray(texts) && texts.every((text) => typeof text === "string")) return texts;
  } catch {
    // Said below.
  }
  throw new FulguriteError(
    "rl/state-mismatch",
    "What the checkpoint holds of its environments cannot be read.",
    "Resume from a checkpoint that this run saved.",
  );
}
