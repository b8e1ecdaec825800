import { FulguriteError } from "../gpu/error.ts";
import type { RunnerClock } from "./agent-host.ts";
import { Frame, type FrameWorker } from "./frame.ts";
import type { FrameDemand, FrameSupply, ToFrame, WorkerStart } from "./protocol.ts";

export interface FramePoolOptions {
  /** Port to the page's `supplyFrames`. */
  readonly supply: MessagePort;
  readonly clock: RunnerClock;
  /** Frames held open; default 2. */
  readonly frames?: number;
  /** Milliseconds until a frame must have opened; default 10,000. */
  readonly openTimeout?: number;
}

interface Slot {
  frame: Promise<Frame>;
  opened: Frame | null;
}

/** The trainer's runner frames: opened when first needed, replaced when lost. */
export class FramePool {
  readonly #supply: MessagePort;
  readonly #clock: RunnerClock;
  readonly #openTimeout: number;
  readonly #slots: (Slot | null)[];
  readonly #waiting = new Map<number, (port: MessagePort | Error) => void>();
  #next = 1;
  #turn = 0;
  #framesLost = 0;

  constructor(options: FramePoolOptions) {
    this.#supply = options.supply;
    this.#clock = options.clock;
    this.#openTimeout = options.openTimeout ?? 10_000;
    this.#slots = Array.from({ length: options.frames ?? 2 }, () => null);
    this.#supply.onmessage = ({ data, ports }: MessageEvent<FrameSupply>) => {
      const settle = this.#waiting.get(data.frame);
      this.#waiting.delete(data.frame);
      if (data.kind === "opened") settle?.(ports[0]!);
      else settle?.(new Error(data.message));
    };
  }

  /** Frames lost so far. */
  get framesLost(): number {
    return this.#framesLost;
  }

  /** Workers alive now. */
  get workers(): number {
    return this.#slots.reduce((sum, slot) => sum + (slot?.opened?.workers ?? 0), 0);
  }

  /** Starts a worker in the next frame in turn. Rejects with "runner/no-frame" where none can be opened. */
  async spawn(text: string, start: WorkerStart): Promise<FrameWorker> {
    const index = this.#turn++ % this.#slots.length;
    const slot = (this.#slots[index] ??= this.#open(index));
    const frame = await slot.frame;
    // Lost between opening and now: the next one, or the pool's error.
    return frame.lost ? this.spawn(text, start) : frame.spawn(text, start);
  }

  dispose(): void {
    this.#slots.forEach((slot, index) => {
      slot?.opened?.close();
      this.#slots[index] = null;
    });
    for (const settle of this.#waiting.values()) settle(new Error("the runners were closed"));
    this.#waiting.clear();
    for (let frame = 1; frame < this.#next; frame++) this.#demand({ kind: "close", frame });
    this.#supply.onmessage = null;
  }

  #open(index: number): Slot {
    const id = this.#next++;
    const forget = (): void => {
      if (this.#slots[index] === slot) this.#slots[index] = null;
      this.#demand({ kind: "close", frame: id });
    };
    const port = new Promise<MessagePort>((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error("it did not open in time"));
      }, this.#openTimeout);
      this.#waiting.set(id, (settled) => {
        if (settled instanceof Error) {
          this.#clock.clearTimeout(timer);
          reject(settled);
          return;
        }
        // A page that is not runner.html loads as well; only runner.html answers.
        settled.onmessage = () => {
          this.#clock.clearTimeout(timer);
          resolve(settled);
        };
        settled.postMessage({ kind: "ping", ping: 0 } satisfies ToFrame);
      });
    });
    const slot: Slot = {
      opened: null,
      frame: port.then(
        (opened) => {
          slot.opened = new Frame(opened, this.#clock, () => {
            this.#framesLost++;
            forget();
          });
          return slot.opened;
        },
        (error: Error) => {
          forget();
          throw new FulguriteError(
            "runner/no-frame",
            `No frame to run code in: ${error.message}.`,
            "Reload the page; if it stays, the page's runner.html is missing or blocked.",
          );
        },
      ),
    };
    this.#demand({ kind: "open", frame: id });
    return slot;
  }

  #demand(message: FrameDemand): void {
    this.#supply.postMessage(message);
  }
}
