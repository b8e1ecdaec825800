import type { AgentHost, AttemptEnd, AttemptRequest, FailureReason, RunnerClock } from "./agent-host.ts";
import { workerScript, type AgentSource, type WorkerScript } from "./agent-source.ts";
import { createEmit } from "../trace/emit.ts";
import { agentWorker } from "./agent-worker.ts";
import { deniedMessage, fetchRoute } from "./fetch-route.ts";
import type { FrameWorker, WorkerLoss } from "./frame.ts";
import type { FramePool } from "./frame-pool.ts";
import { measure } from "./measure.ts";
import { seededRandom } from "./seeded-random.ts";
import type { FromWorker } from "./protocol.ts";
import { startWorker, WorkerStartError } from "./start-worker.ts";
import { parseWorkerMessage } from "./worker-message.ts";

export interface FrameAgentHostOptions {
  readonly frames: FramePool;
  readonly source: AgentSource;
  readonly clock: RunnerClock;
  /**
   * Workers side by side, one rollout in each, which bounds how many calls the policy can batch. Default 32, or 8
   * where the source brings a library: a bare worker takes about 3 MB.
   */
  readonly workers?: number;
  /** Milliseconds until a worker must have evaluated its library; default 10,000. */
  readonly startTimeout?: number;
  /** `process.env` of the agent. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** What an agent expects to find; the values mean nothing here. */
const defaultEnvironment = {
  OPENAI_API_KEY: "fulgurite",
  OPENAI_BASE_URL: "http://policy.local/v1",
};

/** One worker's place, and how many runs its present worker has seen. */
interface Lane {
  worker: FrameWorker | null;
  runs: number;
}

/**
 * Runs an agent in `data:` workers of sandboxed frames. A worker takes one rollout at a time and another one only
 * after a clean end; else it is replaced. Ending an attempt early terminates its worker.
 */
export function createFrameAgentHost(options: FrameAgentHostOptions): AgentHost {
  return new FrameAgentHost(options);
}

class FrameAgentHost implements AgentHost {
  readonly slots: number;
  readonly #options: FrameAgentHostOptions;
  readonly #script: WorkerScript;
  readonly #free: Lane[];
  readonly #lanes: readonly Lane[];
  readonly #queue: ((lane: Lane) => void)[] = [];

  constructor(options: FrameAgentHostOptions) {
    this.#options = options;
    this.slots = options.workers ?? (options.source.library === undefined ? 32 : 8);
    this.#script = workerScript(
      [
        `(prepare) => (${agentWorker.toString()})(prepare, ${measure.toString()},`,
        `${createEmit.toString()}, ${seededRandom.toString()})`,
      ].join(" "),
      options.source,
    );
    this.#lanes = Array.from({ length: this.slots }, () => ({ worker: null, runs: 0 }));
    this.#free = [...this.#lanes];
  }

  async run(request: AttemptRequest): Promise<AttemptEnd> {
    // The lane used last is the one that is warm.
    const lane = this.#free.pop() ?? (await new Promise<Lane>((resolve) => this.#queue.push(resolve)));
    try {
      if (request.signal.aborted) return cancelledEnd;
      lane.worker ??= await this.#start(lane);
      if (request.signal.aborted) return cancelledEnd;
      const { end, clean } = await this.#attempt(lane, lane.worker, request);
      if (!clean) {
        lane.worker?.terminate();
        lane.worker = null;
      }
      return end;
    } catch (error) {
      if (!(error instanceof WorkerStartError)) throw error;
      return this.#failure(error.reason, error.message, error.line);
    } finally {
      const next = this.#queue.shift();
      if (next) next(lane);
      else this.#free.push(lane);
    }
  }

  dispose(): void {
    for (const lane of this.#lanes) {
      lane.worker?.terminate();
      lane.worker = null;
    }
  }

  async #start(lane: Lane): Promise<FrameWorker> {
    const { frames, clock, startTimeout, environment } = this.#options;
    const worker = await startWorker(frames, this.#script, {
      clock,
      timeout: startTimeout ?? 10_000,
      environment: { ...defaultEnvironment, ...environment },
    });
    lane.runs = 0;
    worker.onLoss = () => {
      lane.worker = null;
    };
    return worker;
  }

  #attempt(
    lane: Lane,
    worker: FrameWorker,
    request: AttemptRequest,
  ): Promise<{ readonly end: AttemptEnd; readonly clean: boolean }> {
    const run = ++lane.runs;
    const fetches = new Map<number, AbortController>();
    return new Promise((resolve) => {
      const finish = (end: AttemptEnd, clean: boolean): void => {
        request.signal.removeEventListener("abort", cancel);
        worker.onMessage = () => undefined;
        worker.onLoss = () => {
          lane.worker = null;
        };
        for (const fetch of fetches.values()) fetch.abort();
        resolve({ end, clean });
      };
      const cancel = (): void => {
        finish(cancelledEnd, false);
      };
      const lose = ({ reason, message, line }: WorkerLoss): void => {
        lane.worker = null;
        finish(this.#failure(reason === "failed" ? "worker-lost" : reason, message, line), false);
      };
      worker.onLoss = lose;
      worker.onMessage = (data) => {
        const message = parseWorkerMessage(data);
        if (!message) {
          finish(this.#failure("worker-lost", "the worker sent what is no message", 0), false);
          return;
        }
        if (!("run" in message) || message.run !== run) return;
        switch (message.kind) {
          case "fetch":
            void this.#fetch(worker, message, fetches, request);
            break;
          case "abort":
            fetches.get(message.fetch)?.abort();
            break;
          case "emit":
            request.onEmission({
              kind: "emit",
              name: message.name,
              value: message.value,
              time: message.time,
            });
            break;
          case "span":
            request.onEmission({
              kind: "span",
              name: message.span.type,
              value: message.span,
              time: message.time,
            });
            break;
          case "log":
            request.onEmission({ kind: "log", name: message.level, value: message.text, time: message.time });
            break;
          case "flooded":
            finish(this.#failure("flooded", message.message, 0), false);
            break;
          case "result":
            finish({ ok: true, result: message.value }, message.clean);
            break;
          case "threw": {
            const { name, message: text, line } = message.error;
            finish(this.#failure("threw", `${name}: ${text}`, line), message.clean);
            break;
          }
          case "unclonable":
            finish(this.#failure("invalid-result", message.message, 0), message.clean);
            break;
          default:
            finish(this.#failure("worker-lost", `the worker sent "${message.kind}"`, 0), false);
        }
      };
      request.signal.addEventListener("abort", cancel, { once: true });
      request.onStart();
      const { identity, task, randomSeed, allowance } = request;
      // The frame counts a little further than the runtime, and ends what gets round it.
      const outer = { messages: allowance.messages + 10, bytes: 1.2 * allowance.bytes + 10_000 };
      worker.post({ kind: "run", run, task, identity, randomSeed, allowance }, outer);
    });
  }

  async #fetch(
    worker: FrameWorker,
    message: Extract<FromWorker, { kind: "fetch" }>,
    fetches: Map<number, AbortController>,
    request: AttemptRequest,
  ): Promise<void> {
    const { fetch, url, method, headers, body } = message;
    const route = fetchRoute(url);
    if (route === "denied") {
      request.onDenied(url.slice(0, 200));
      worker.post({ kind: "broken", fetch, message: deniedMessage(url) });
      return;
    }
    if (route === "empty") {
      worker.post({ kind: "response", fetch, status: 200, headers: {}, body: "" });
      return;
    }
    const abort = new AbortController();
    fetches.set(fetch, abort);
    const gone = (): boolean => abort.signal.aborted;
    try {
      const response = await request.onFetch(
        { method, path: url, headers, body },
        abort.signal,
        message.operation,
      );
      if (gone()) return;
      const stream = typeof response.body === "string" ? null : response.body;
      worker.post({
        kind: "response",
        fetch,
        status: response.status,
        headers: response.headers,
        body: stream ? null : (response.body as string),
      });
      if (!stream) return;
      for await (const text of stream) {
        if (gone()) return;
        worker.post({ kind: "chunk", fetch, text });
      }
      worker.post({ kind: "end", fetch });
    } catch (error) {
      if (gone()) return;
      worker.post({ kind: "broken", fetch, message: error instanceof Error ? error.message : String(error) });
    } finally {
      fetches.delete(fetch);
    }
  }

  /** `line` counts in the worker's script. */
  #failure(reason: FailureReason, message: string, line: number): AttemptEnd {
    const at = line - this.#script.lineOffset;
    return { ok: false, reason, message, line: at > 0 ? at : null };
  }
}

const cancelledEnd: AttemptEnd = {
  ok: false,
  reason: "cancelled",
  message: "the attempt was ended",
  line: null,
};
