import type { RunnerClock } from "./agent-host.ts";
import type { WorkerScript } from "./agent-source.ts";
import type { FrameWorker } from "./frame.ts";
import type { FramePool } from "./frame-pool.ts";
import { parseWorkerMessage } from "./worker-message.ts";

/** Why a worker did not get as far as its first run. */
export class WorkerStartError extends Error {
  readonly reason: "load-failed" | "worker-lost" | "frame-lost";
  /** Line of the worker's script, 0 where unknown. */
  readonly line: number;

  constructor(reason: WorkerStartError["reason"], message: string, line: number) {
    super(message);
    this.name = "WorkerStartError";
    this.reason = reason;
    this.line = line;
  }
}

/**
 * Starts a worker and waits until it has evaluated what its code needs. Rejects with a `WorkerStartError`, or
 * with the pool's error where there is no frame to start it in.
 */
export async function startWorker(
  frames: FramePool,
  script: WorkerScript,
  options: {
    readonly clock: RunnerClock;
    readonly timeout: number;
    readonly environment: Readonly<Record<string, string>>;
  },
): Promise<FrameWorker> {
  const { values, text } = script;
  const worker = await frames.spawn(text, { values, environment: options.environment });
  return new Promise((resolve, reject) => {
    const fail = (error: WorkerStartError): void => {
      options.clock.clearTimeout(timer);
      worker.terminate();
      reject(error);
    };
    const timer = options.clock.setTimeout(() => {
      fail(new WorkerStartError("worker-lost", "the code did not load in time", 0));
    }, options.timeout);
    worker.onLoss = ({ reason, message, line }) => {
      fail(new WorkerStartError(reason === "frame-lost" ? reason : "load-failed", message, line));
    };
    worker.onMessage = (data) => {
      const message = parseWorkerMessage(data);
      if (message?.kind === "ready") {
        options.clock.clearTimeout(timer);
        worker.onMessage = () => undefined;
        worker.onLoss = () => undefined;
        resolve(worker);
      } else if (message?.kind === "unprepared") {
        const { name, message: text, line } = message.error;
        fail(new WorkerStartError("load-failed", `${name}: ${text}`, line));
      } else {
        fail(new WorkerStartError("load-failed", "the worker sent what is no message", 0));
      }
    };
  });
}
