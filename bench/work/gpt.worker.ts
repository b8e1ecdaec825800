import * as Comlink from "comlink";
import { createCpuLanguageEngine } from "../../src/lm/cpu-language-engine.ts";
import { workerThreads } from "../../src/worker/threads.ts";
import { createOurGpt, gptShape, gptWork } from "./gpt.ts";
import type { Contestant } from "./minibatch.ts";

/** The CPU engine as the app has it: in a worker, which may wait for its threads. */
const api = {
  async start(rows: number): Promise<{ firstLoss: number; firstStep: number; threads: number }> {
    const threads = workerThreads();
    made = await createOurGpt(() => createCpuLanguageEngine(gptShape, { seed: 1, threads }), gptWork(rows));
    return { firstLoss: made.firstLoss, firstStep: made.firstStep, threads: threads?.count ?? 1 };
  },
  step: async (): Promise<void> => made?.step(),
  dispose: (): void => made?.dispose(),
};
let made: Contestant | null = null;

export type GptWorker = typeof api;
Comlink.expose(api);
