import * as Comlink from "comlink";
import type { GptWorker } from "./gpt.worker.ts";
import type { Contestant } from "./minibatch.ts";

/** `LanguageEngine.step` of the CPU engine with threads, in a worker, on `rows` sequences; for pages that are isolated. */
export async function createThreadedGpt(rows: number): Promise<Contestant & { readonly threads: number }> {
  const worker = new Worker(new URL("./gpt.worker.ts", import.meta.url), { type: "module" });
  const remote = Comlink.wrap<GptWorker>(worker);
  const started = await remote.start(rows);
  return {
    ...started,
    step: () => remote.step(),
    dispose: () => {
      worker.terminate();
    },
  };
}
