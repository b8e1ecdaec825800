import { asFulguriteError, FulguriteError, type ErrorData } from "../gpu/error.ts";
import type { KernelFactory, KernelLink } from "./kernel-link.ts";
import type { HostMessage, KernelMessage } from "./protocol.ts";

export interface KernelHostOptions {
  readonly createKernel: KernelFactory;
  /** Milliseconds of silence, while something runs, after which a kernel counts as hung. */
  readonly hangLimit: number;
  /** What a fresh kernel is told first. */
  readonly greeting: () => HostMessage;
  readonly onMessage: (message: KernelMessage) => void;
  /** The kernel is gone, hangs or floods. */
  readonly onLost: (reason: ErrorData) => void;
  /** Whether a cell runs. */
  readonly isRunning: () => boolean;
}

const WATCH_INTERVAL_MS = 1_000;

/** A session's kernel: started at the first need, asked, watched, and replaced. */
export class KernelHost {
  readonly #options: KernelHostOptions;
  readonly #commands = new Map<number, () => void>();
  #link: Promise<KernelLink> | null = null;
  #nextCommand = 1;
  #watchTimer: ReturnType<typeof setInterval> | null = null;
  #disposed = false;

  constructor(options: KernelHostOptions) {
    this.#options = options;
  }

  /** Starts the kernel where there is none yet. */
  start(): void {
    void this.#started();
  }

  /** Sends, where a kernel was started; a later one is greeted with all there is. */
  send(message: HostMessage): void {
    this.#withLink((link) => {
      link.send(message);
    });
  }

  /** Asks for work; resolves with null when it is done, or with why the kernel did not start. */
  async command(make: (command: number) => HostMessage): Promise<ErrorData | null> {
    try {
      await this.#started();
    } catch (error) {
      // The next attempt may find what this one lacked.
      this.#link = null;
      return asFulguriteError(error).toData();
    }
    const command = this.#nextCommand++;
    const settled = new Promise<void>((resolve) => {
      this.#commands.set(command, resolve);
    });
    this.watch();
    this.send(make(command));
    await settled;
    return null;
  }

  settle(command: number): void {
    this.#commands.get(command)?.();
    this.#commands.delete(command);
  }

  /** Number for a command that nobody waits for. */
  nextCommand(): number {
    return this.#nextCommand++;
  }

  /** Gets a fresh kernel ready beside the present one. */
  prepare(): void {
    this.#withLink((link) => {
      link.prepare();
    });
  }

  /** A port to the kernel's host environments, for one run; null where no port is needed, or there is no kernel. */
  async environments(): Promise<MessagePort | null> {
    return (await this.#link)?.environments() ?? null;
  }

  /** Milliseconds since the kernel last answered while being asked. */
  async silence(): Promise<number> {
    try {
      return (await this.#link)?.silence ?? 0;
    } catch {
      return 0;
    }
  }

  /** While something runs: a kernel that has been silent for too long is given up. */
  watch(): void {
    this.#watchTimer ??= setInterval(() => {
      if (!this.#options.isRunning() && this.#commands.size === 0) {
        this.#endWatch();
        return;
      }
      this.#withLink(({ silence }) => {
        if (silence > this.#options.hangLimit) this.#options.onLost(hung(silence));
      });
    }, WATCH_INTERVAL_MS);
  }

  /** Ends the kernel at once, whatever it runs, and starts an empty one. Waiting commands count as done. */
  async restart(): Promise<void> {
    for (const resolve of this.#commands.values()) resolve();
    this.#commands.clear();
    try {
      const link = await this.#link;
      await link?.restart();
    } catch (error) {
      this.#link = Promise.reject(asFulguriteError(error));
      this.#link.catch(() => undefined);
      throw error;
    }
  }

  /** Ends the kernel and starts none until the next need. */
  end(): void {
    this.#endWatch();
    for (const resolve of this.#commands.values()) resolve();
    this.#commands.clear();
    this.#link?.then(
      (link) => {
        link.dispose();
      },
      () => undefined,
    );
    this.#link = null;
  }

  dispose(): void {
    this.#disposed = true;
    this.end();
  }

  #endWatch(): void {
    if (this.#watchTimer !== null) clearInterval(this.#watchTimer);
    this.#watchTimer = null;
  }

  #started(): Promise<KernelLink> {
    if (!this.#link) {
      this.#link = this.#connect();
      this.#link.catch(() => undefined);
    }
    return this.#link;
  }

  async #connect(): Promise<KernelLink> {
    const link = await this.#options.createKernel();
    if (this.#disposed) link.dispose();
    link.onMessage = this.#options.onMessage;
    link.onLost = this.#options.onLost;
    link.send(this.#options.greeting());
    return link;
  }

  #withLink(use: (link: KernelLink) => void): void {
    this.#link?.then(
      (link) => {
        if (!this.#disposed) use(link);
      },
      () => undefined,
    );
  }
}

function hung(silence: number): ErrorData {
  const seconds = Math.round(silence / 1_000);
  return new FulguriteError(
    "notebook/hung",
    `The notebook's cells did not answer for ${seconds} seconds and were stopped.`,
    "Look for a loop without an end, or `await` something in it now and then.",
  ).toData();
}
