import type { RunnerClock } from "./agent-host.ts";
import type { Allowance, ToFrame, ToWorker, WorkerStart } from "./protocol.ts";
import { parseFrameMessage } from "./worker-message.ts";

/** How a worker ended that nobody ended. */
export interface WorkerLoss {
  readonly reason: "flooded" | "failed" | "frame-lost";
  readonly message: string;
  /** Line of the worker's script, 0 where unknown. */
  readonly line: number;
}

/** A worker as its owner holds it. */
export interface FrameWorker {
  /** `allow` begins a new count of what the worker may send. */
  post(message: ToWorker, allow?: Allowance): void;
  /** What the worker sends, as it came: check it with `parseWorkerMessage`. */
  onMessage: (message: unknown) => void;
  /** Told once, and not after `terminate`. */
  onLoss: (loss: WorkerLoss) => void;
  terminate(): void;
}

/**
 * Asked this often whether it is there while it has workers, and given up after so many questions in a row: 5 s. On a
 * busy machine, endless loops in its workers alone can keep a frame silent for 2 s.
 */
const heartbeat = { everyMilliseconds: 250, missed: 20 };

/** The trainer's end of one runner frame. */
export class Frame {
  readonly #port: MessagePort;
  readonly #clock: RunnerClock;
  readonly #onLost: () => void;
  readonly #workers = new Map<number, FrameWorker>();
  readonly #scripts = new Map<string, number>();
  #nextWorker = 1;
  #pings = 0;
  #pong = 0;
  #timer: unknown = null;
  #lost = false;

  constructor(port: MessagePort, clock: RunnerClock, onLost: () => void) {
    this.#port = port;
    this.#clock = clock;
    this.#onLost = onLost;
    port.onmessage = ({ data }) => {
      this.#receive(data);
    };
    // Where the browser says that the other side is gone, nobody needs to wait for the heart to stop.
    port.addEventListener("close", () => {
      this.lose("its process ended");
    });
  }

  get workers(): number {
    return this.#workers.size;
  }

  get lost(): boolean {
    return this.#lost;
  }

  spawn(text: string, start: WorkerStart): FrameWorker {
    if (this.#lost) throw new Error("the frame is gone");
    let script = this.#scripts.get(text);
    if (script === undefined) {
      script = this.#scripts.size + 1;
      this.#scripts.set(text, script);
      this.#send({ kind: "script", script, text });
    }
    const id = this.#nextWorker++;
    const worker: FrameWorker = {
      post: (message, allow) => {
        this.#send({ kind: "post", worker: id, message, allow: allow ?? null });
      },
      onMessage: () => undefined,
      onLoss: () => undefined,
      terminate: () => {
        if (this.#workers.delete(id)) this.#send({ kind: "terminate", worker: id });
      },
    };
    this.#workers.set(id, worker);
    this.#send({ kind: "spawn", worker: id, script, start });
    if (this.#timer === null) this.#beat();
    return worker;
  }

  /** Gives the frame up: all its workers are lost. */
  lose(message: string): void {
    if (this.#lost) return;
    this.close();
    const workers = [...this.#workers.values()];
    this.#workers.clear();
    this.#onLost();
    for (const worker of workers) worker.onLoss({ reason: "frame-lost", message, line: 0 });
  }

  close(): void {
    this.#lost = true;
    this.#clock.clearTimeout(this.#timer);
    this.#port.onmessage = null;
    this.#port.close();
  }

  #send(message: ToFrame): void {
    if (!this.#lost) this.#port.postMessage(message);
  }

  /** Counts questions, not time: a trainer that was busy itself must not take that for a frame's silence. */
  #beat(): void {
    if (this.#workers.size === 0) {
      this.#timer = null;
      return;
    }
    if (this.#pings - this.#pong >= heartbeat.missed) {
      this.lose("it stopped answering");
      return;
    }
    this.#send({ kind: "ping", ping: ++this.#pings });
    this.#timer = this.#clock.setTimeout(() => {
      this.#beat();
    }, heartbeat.everyMilliseconds);
  }

  #receive(data: unknown): void {
    const message = parseFrameMessage(data);
    if (!message) {
      this.lose("it sent what is no message");
      return;
    }
    switch (message.kind) {
      case "pong":
        this.#pong = Math.min(this.#pings, Math.max(this.#pong, message.ping));
        break;
      case "from":
        this.#workers.get(message.worker)?.onMessage(message.message);
        break;
      case "dead": {
        const worker = this.#workers.get(message.worker);
        this.#workers.delete(message.worker);
        worker?.onLoss(message);
        break;
      }
    }
  }
}
