import { FulguriteError, type ErrorData } from "../gpu/error.ts";
import { loadSandboxed, type FramePage } from "../runner/sandboxed-frame.ts";
import { isIsolated, type Isolation } from "./isolation.ts";
import type { KernelLink } from "./kernel-link.ts";
import { MESSAGE_BURST, MESSAGES_PER_SECOND } from "./message-allowance.ts";
import { readKernelMessage, type HostMessage, type KernelMessage } from "./protocol.ts";
import * as read from "./validate.ts";

export interface SandboxOptions {
  /** kernel.html. */
  readonly page: FramePage;
  /** Where the hidden frame goes; default the body. */
  readonly parent?: HTMLElement;
}

const START_LIMIT_MS = 15_000;
const RESTART_LIMIT_MS = 2_000;
const PING_INTERVAL_MS = 1_000;
/** A frame's own page never runs a person's code; silent for this long, its process is gone. */
const FRAME_SILENCE_LIMIT_MS = 10_000;

const readReady = read.list(
  read.object<{ kind: "ready"; isolation: Isolation }>({
    kind: read.oneOf("ready"),
    isolation: read.object<Isolation>({
      origin: read.text(200),
      storage: read.boolean,
      network: read.boolean,
    }),
  }),
  1,
);
const readFrameMessage = read.union<"kind", { kind: "pong" } | { kind: "failed"; message: string }>("kind", {
  pong: read.object({ kind: read.oneOf("pong") }),
  failed: read.object({ kind: read.oneOf("failed"), message: read.text(1_000) }),
});

/**
 * Starts a kernel, whose script is `source`, in a `data:` worker inside an opaque-origin frame. Rejects with
 * `FulguriteError` "notebook/not-isolated" where the browser does not hold it there, "notebook/kernel" where it does
 * not start.
 */
export async function startSandbox(source: string, options: SandboxOptions): Promise<KernelLink> {
  const sandbox = new Sandbox(source, options);
  try {
    await sandbox.restart();
  } catch (error) {
    sandbox.dispose();
    throw error;
  }
  return sandbox;
}

class Sandbox implements KernelLink {
  onMessage: KernelLink["onMessage"] = null;
  onLost: KernelLink["onLost"] = null;
  readonly #source: string;
  readonly #page: SandboxOptions["page"];
  readonly #parent: HTMLElement;
  #frame: Frame | null = null;
  #port: MessagePort | null = null;
  #spare: Promise<MessagePort> | null = null;
  readonly #pinger: ReturnType<typeof setInterval>;
  #sequence = 0;
  /** Seconds without an answer. Counted, not timed: a machine that slept must not look like a kernel that hangs. */
  #unanswered = 0;
  #allowance = MESSAGE_BURST;
  #allowanceTime = 0;

  constructor(source: string, options: SandboxOptions) {
    this.#source = source;
    this.#page = options.page;
    this.#parent = options.parent ?? document.body;
    this.#pinger = setInterval(() => {
      this.#ping();
    }, PING_INTERVAL_MS);
  }

  get silence(): number {
    return this.#unanswered * PING_INTERVAL_MS;
  }

  send(message: HostMessage): void {
    this.#port?.postMessage(message);
  }

  environments(): MessagePort | null {
    if (!this.#port) return null;
    const { port1, port2 } = new MessageChannel();
    this.#port.postMessage({ kind: "environments" } satisfies HostMessage, [port2]);
    return port1;
  }

  prepare(): void {
    if (!this.#frame || this.#spare) return;
    this.#spare = this.#spawn(this.#frame, START_LIMIT_MS);
    this.#spare.catch(() => undefined);
  }

  async restart(): Promise<void> {
    this.#closePort();
    // A living frame gives a new worker at once; a dead one is replaced.
    if (this.#frame) {
      try {
        await this.#take(this.#frame, RESTART_LIMIT_MS);
        return;
      } catch (error) {
        if (error instanceof FulguriteError && error.code === "notebook/not-isolated") throw error;
        this.#frame.dispose();
        this.#frame = null;
      }
    }
    const frame = await Frame.open(this.#page, this.#source, this.#parent);
    frame.onLost = () => {
      if (this.#frame === frame) this.#loseFrame();
    };
    this.#frame = frame;
    await this.#take(this.#frame, START_LIMIT_MS);
  }

  async #take(frame: Frame, limit: number): Promise<void> {
    const spare = this.#spare ?? this.#spawn(frame, limit);
    this.#spare = null;
    const port = await within(limit, spare);
    frame.swap();
    port.onmessage = ({ data }: MessageEvent<unknown>) => {
      this.#receive(data, port);
    };
    this.#port = port;
  }

  dispose(): void {
    clearInterval(this.#pinger);
    this.#closePort();
    this.#frame?.dispose();
    this.#frame = null;
  }

  #closePort(): void {
    this.#port?.close();
    this.#port = null;
    this.#unanswered = 0;
    this.#allowance = MESSAGE_BURST;
  }

  async #spawn(frame: Frame, limit: number): Promise<MessagePort> {
    const { port1: port, port2 } = new MessageChannel();
    try {
      const ready = new Promise<Isolation>((resolve, reject) => {
        port.onmessage = ({ data }: MessageEvent<unknown>) => {
          try {
            resolve(readReady(data)[0]!.isolation);
          } catch {
            reject(notStarted("its first message made no sense"));
          }
        };
      });
      const isolation = await within(limit, Promise.race([ready, frame.spawn(port2)]));
      if (!isIsolated(isolation)) throw notIsolated(isolation);
    } catch (error) {
      port.close();
      throw error;
    }
    return port;
  }

  /** Messages come in lists, many that were sent in one task as one. */
  #receive(data: unknown, port: MessagePort): void {
    if (port !== this.#port) return;
    const messages: readonly unknown[] = Array.isArray(data) ? data : [];
    const now = performance.now();
    const refill = ((now - this.#allowanceTime) / 1_000) * MESSAGES_PER_SECOND;
    this.#allowance = Math.min(MESSAGE_BURST, this.#allowance + refill) - Math.max(1, messages.length);
    this.#allowanceTime = now;
    if (this.#allowance < 0) {
      this.#lose(floodError());
      return;
    }
    for (const one of messages) {
      if (port !== this.#port) return;
      const message: KernelMessage | null = readKernelMessage(one);
      if (message?.kind === "flood") {
        this.#lose(floodError());
      } else if (message?.kind === "pong") {
        if (message.sequence === this.#sequence) this.#unanswered = 0;
      } else if (message) {
        this.onMessage?.(message);
      }
    }
  }

  #ping(): void {
    const { visibilityState } = document;
    if (this.#frame && this.#frame.ping() > FRAME_SILENCE_LIMIT_MS && visibilityState === "visible") {
      this.#loseFrame();
      return;
    }
    if (!this.#port) return;
    if (this.#unanswered++ === 0) this.send({ kind: "ping", sequence: ++this.#sequence });
  }

  #loseFrame(): void {
    this.#frame?.dispose();
    this.#frame = null;
    this.#lose(lostError());
  }

  #lose(reason: ErrorData): void {
    this.#closePort();
    this.#spare = null;
    this.#frame?.terminate();
    this.onLost?.(reason);
  }
}

/** The hidden frame and its control port; its page starts and ends workers and does nothing else. */
class Frame {
  readonly #element: HTMLIFrameElement;
  readonly #control: MessagePort;
  #source: string | null;
  #unanswered = 0;
  #onFailed: ((error: FulguriteError) => void) | null = null;
  /** Its process ended. */
  onLost: (() => void) | null = null;

  private constructor(element: HTMLIFrameElement, control: MessagePort, source: string) {
    this.#element = element;
    this.#control = control;
    this.#source = source;
    control.onmessage = ({ data }: MessageEvent<unknown>) => {
      let message;
      try {
        message = readFrameMessage(data);
      } catch {
        return;
      }
      if (message.kind === "pong") this.#unanswered = 0;
      else this.#onFailed?.(notStarted(message.message));
    };
    // Where the browser says that the other side is gone, nobody needs to wait for the heart to stop.
    control.addEventListener("close", () => this.onLost?.());
  }

  static async open(page: SandboxOptions["page"], source: string, parent: HTMLElement): Promise<Frame> {
    const element = document.createElement("iframe");
    element.title = "Notebook kernel";
    element.tabIndex = -1;
    element.setAttribute("aria-hidden", "true");
    // Not `display: none`: browsers stop timers and frames of such documents.
    element.style.cssText =
      "position: fixed; width: 1px; height: 1px; border: 0; opacity: 0; pointer-events: none; inset: auto 0 0 auto";
    try {
      await within(START_LIMIT_MS, loadSandboxed(element, page, parent));
    } catch (error) {
      element.remove();
      throw error;
    }
    const { port1, port2 } = new MessageChannel();
    // An opaque origin has no name to address it by.
    element.contentWindow?.postMessage("fulgurite", "*", [port2]);
    return new Frame(element, port1, source);
  }

  /** Starts a worker beside the one there is; it gets the port. Rejects where it does not start. */
  spawn(port: MessagePort): Promise<never> {
    this.#control.postMessage({ kind: "spawn", source: this.#source }, [port]);
    // The frame keeps it: the script travels once.
    this.#source = null;
    return new Promise<never>((_, reject) => {
      this.#onFailed = reject;
    });
  }

  /** Ends the worker there is; the one that was spawned last takes its place. */
  swap(): void {
    this.#control.postMessage({ kind: "swap" });
  }

  terminate(): void {
    this.#control.postMessage({ kind: "terminate" });
  }

  /** Asks for a sign of life, once a second; returns the milliseconds for which it has been missed. */
  ping(): number {
    if (this.#unanswered === 0) this.#control.postMessage({ kind: "ping" });
    return this.#unanswered++ * PING_INTERVAL_MS;
  }

  dispose(): void {
    this.onLost = null;
    this.#control.close();
    this.#element.remove();
  }
}

function within<T>(limit: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(notStarted(`it gave no sign of life for ${limit / 1_000} s`));
    }, limit);
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}

function notStarted(why: string): FulguriteError {
  return new FulguriteError(
    "notebook/kernel",
    `The notebook's kernel did not start: ${why}.`,
    // Firefox blocks an opaque-origin frame under COEP otherwise, and says so in its console alone.
    globalThis.crossOriginIsolated
      ? "Reload the page; its host must send `Cross-Origin-Resource-Policy: cross-origin` with every file."
      : "Reload the page; if that does not help, try another browser.",
  );
}

function notIsolated({ origin, storage, network }: Isolation): FulguriteError {
  const reached = [
    ...(origin === "null" ? [] : [`the origin ${origin}`]),
    ...(storage ? ["storage"] : []),
    ...(network ? ["the network"] : []),
  ];
  return new FulguriteError(
    "notebook/not-isolated",
    `This browser lets the notebook's code reach ${reached.join(" and ")}, so it does not run.`,
    "Use a current Chrome, Edge or Firefox.",
  );
}

const floodError = (): ErrorData =>
  new FulguriteError(
    "notebook/flood",
    "The notebook's cells sent more messages than a page can take and were stopped.",
    "Show less, or less often.",
  ).toData();

const lostError = (): ErrorData =>
  new FulguriteError(
    "notebook/kernel-lost",
    "The notebook's kernel is gone; most likely its cells used up the memory.",
    "Use less memory in the cell that ran, then run it again.",
  ).toData();
