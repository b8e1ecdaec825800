import type { GptWork } from "../work/gpt.ts";
import type { Contestant } from "../work/minibatch.ts";

/** Eager, with its own Adam. */
export function createTfjsGpt(work: GptWork): Promise<Contestant>;
