import type { LightningStore } from "../store/records.ts";
import { engines } from "./create-engine.ts";
import { nodeHosts } from "./node-hosts.ts";
import { Trainer, type TrainerOptions } from "./trainer.ts";

/** A trainer in this very process, over a store that no other process trains in; the caller trusts its agents. */
export const nodeTrainer = (
  store: LightningStore,
  makers: Pick<TrainerOptions, keyof typeof engines> = engines,
): Trainer =>
  new Trainer({
    store,
    ...makers,
    ...nodeHosts,
    now: () => Date.now(),
    randomBytes: (bytes) => crypto.getRandomValues(bytes),
    locks: null,
  });
