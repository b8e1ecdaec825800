import { createCpuLanguageEngine } from "../../src/lm/cpu-language-engine.ts";
import { createCpuEngine } from "../../src/rl/cpu-engine.ts";
import type { LightningStore } from "../../src/store/records.ts";
import { nodeHosts } from "../../src/train/node-hosts.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";

let bytes = 0;

/** A trainer on the CPU engines of this process; its ids repeat. */
export const cpuTrainer = (store: LightningStore, options: Partial<TrainerOptions> = {}): Trainer =>
  new Trainer({
    store,
    createEngine: (request) => createCpuEngine(request),
    createLanguageEngine: (shape, seed, _choice, { checkpointing = false }) =>
      createCpuLanguageEngine(shape, { seed, checkpointing }),
    ...nodeHosts,
    now: () => Date.now(),
    randomBytes: (it) => it.fill(bytes++),
    locks: null,
    ...options,
  });
