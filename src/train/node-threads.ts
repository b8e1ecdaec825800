import type * as nodeSystem from "node:os";
import type * as workerThreads from "node:worker_threads";
import { serveThread } from "../kernels/wasm/thread.ts";
import { threadsFor, type StartThread, type ThreadOptions } from "../kernels/wasm/threads.ts";

/** The program of a thread of Node: the text of a function that names nothing outside of itself. */
const program = `
const { parentPort } = require("node:worker_threads");
(${serveThread.toString()})((listener) => parentPort.on("message", listener));
`;

/** Starts threads of Node; they keep no process alive. */
export const startNodeThread: StartThread = (lost) => {
  const { Worker } = process.getBuiltinModule("node:worker_threads") as typeof workerThreads;
  const worker = new Worker(program, { eval: true, name: "fulgurite" });
  worker.unref();
  worker.on("error", (error) => {
    lost(error.message);
  });
  return {
    post: (message) => {
      worker.postMessage(message);
    },
    terminate: () => {
      void worker.terminate();
    },
  };
};

/** Threads for the CPU engines of a Node process, `count` where it is given; null elsewhere. */
export function nodeThreads(count: number | null = null): ThreadOptions | null {
  if (typeof process !== "object" || typeof process.getBuiltinModule !== "function") return null;
  if (count !== null) return count > 1 ? { count, start: startNodeThread } : null;
  const { availableParallelism } = process.getBuiltinModule("node:os") as typeof nodeSystem;
  return threadsFor(availableParallelism(), startNodeThread);
}
