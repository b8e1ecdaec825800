import type { Contestant, MinibatchWork } from "../work/minibatch.ts";

/** Eager, with its own Adam and the norm clip between gradients and optimizer. */
export function createTfjsMinibatch(work: MinibatchWork): Promise<Contestant>;
