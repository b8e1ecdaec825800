import type * as workerThreads from "node:worker_threads";
import { serveThread } from "../kernels/wasm/thread.ts";
import type { StartThread } from "../kernels/wasm/threads.ts";

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
