import type {} from "trusted-types";
import threadUrl from "./thread.worker.ts?worker&url";
import { threadsFor, type StartThread, type ThreadOptions } from "../kernels/wasm/threads.ts";

/** The one address that a policy of this realm makes: that of a thread's program. */
function address(): string {
  const policy = (self as unknown as Window).trustedTypes?.createPolicy("fulgurite", {
    createScriptURL(url: string): string {
      if (url !== threadUrl) throw new TypeError(`Not our worker's URL: ${url}`);
      return url;
    },
  });
  return (policy?.createScriptURL(threadUrl) ?? threadUrl) as string;
}

let known: string | null = null;

const start: StartThread = (lost) => {
  known ??= address();
  const worker = new Worker(known, { type: "module", name: "fulgurite thread" });
  worker.onerror = (event) => {
    lost(event.message);
  };
  return {
    post: (message) => {
      worker.postMessage(message);
    },
    terminate: () => {
      worker.terminate();
    },
  };
};

/** Threads for the CPU engines of this worker; null where the page is not cross-origin isolated: no memory is shared there. */
export const workerThreads = (): ThreadOptions | null =>
  globalThis.crossOriginIsolated ? threadsFor(navigator.hardwareConcurrency, start) : null;
