import type { Environment } from "../env/environment.ts";
import { FulguriteError } from "../gpu/error.ts";
import { ppo } from "../rl/ppo.ts";
import type { AlgorithmConfig } from "../rl/config.ts";
import { openStore } from "../store/open.ts";
import type { LightningStore } from "../store/records.ts";
import { createEngine } from "./create-engine.ts";
import type { RunEvent } from "./events.ts";
import type { RewardSource, SimulatedJob, TrainResult } from "./job.ts";
import { Trainer } from "./trainer.ts";

export interface TrainOptions {
  /** What the agent acts in, for example `cartPole()`. */
  readonly env: Environment;
  /** A compiled step reward (`defineReward.step`); default the environment's own. */
  readonly reward?: RewardSource;
  /** Default `ppo()`. */
  readonly algorithm?: AlgorithmConfig;
  /** Unsigned 32-bit; default 1. The same seed, engine and adapter give the same bits. */
  readonly seed?: number;
  /** Shown in lists; default the environment's name. */
  readonly name?: string;
  /** "auto" (default) takes WebGPU where there is an adapter, else the CPU engine. */
  readonly engine?: SimulatedJob["engine"];
  /** Where the run is kept; default a store in memory that goes with the call. */
  readonly store?: LightningStore;
  /** Progress a few times a second, curve points, episodes. */
  readonly onEvent?: (event: RunEvent) => void;
  /** Aborting ends the run as cancelled; the promise then resolves with what was learned so far. */
  readonly signal?: AbortSignal;
}

/** The job `train` would send to a trainer, validated. Throws `FulguriteError` "train/invalid". */
export function simulatedJob(options: Omit<TrainOptions, "store" | "onEvent" | "signal">): SimulatedJob {
  const { env, reward, algorithm = ppo(), seed = 1, engine = "auto" } = options;
  if (typeof env?.name !== "string") {
    throw new FulguriteError(
      "train/invalid",
      "`env` is not an environment.",
      "Pass one, for example `cartPole()`.",
    );
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new FulguriteError(
      "train/invalid",
      `The seed ${String(seed)} is not an unsigned 32-bit integer.`,
      "Pass a whole number from 0 to 4294967295.",
    );
  }
  if (!["auto", "webgpu", "cpu"].includes(engine)) {
    throw new FulguriteError(
      "train/invalid",
      `There is no engine "${engine}".`,
      'Use "auto", "webgpu" or "cpu".',
    );
  }
  return {
    kind: "simulated",
    environment: env.name,
    reward: reward ? { source: reward.source, constants: reward.constants, line: reward.line } : null,
    algorithm,
    seed,
    name: options.name ?? env.name,
    engine,
  };
}

/**
 * Trains a policy by reinforcement learning in this process: on WebGPU where there is an adapter, else on the
 * CPU engine. Resolves when the run has ended or was cancelled; rejects with a `FulguriteError` where the job
 * is invalid or training failed.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const store = options.store ?? (await openStore({ backend: "memory" }));
  const trainer = new Trainer({
    store,
    createEngine,
    now: () => Date.now(),
    randomBytes: (bytes) => crypto.getRandomValues(bytes),
    locks: null,
  });
  const id = await trainer.start(simulatedJob(options), { notebook: null, cell: null });
  const stop = (): void => void trainer.stop(id);
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  try {
    const result = trainer.result(id);
    if (options.onEvent) await trainer.watch(id, options.onEvent);
    return await result;
  } finally {
    options.signal?.removeEventListener("abort", stop);
    if (!options.store) store.close();
  }
}
