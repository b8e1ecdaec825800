import { Kernel } from "./kernel.ts";
import type { KernelLink } from "./kernel-link.ts";
import type { Namespace } from "./modules.ts";
import { readKernelMessage, type HostMessage } from "./protocol.ts";

/**
 * A kernel in this very realm, for Node and tests: the person has said that they trust the notebook. Messages
 * are cloned and checked as across a port; a cell that never gives control back cannot be stopped here.
 */
export function createInProcessKernel(): Promise<InProcessKernel> {
  return Promise.resolve(new InProcessKernel());
}

/** A shipped package as Node has it installed. */
export const importInstalled = (name: string): Promise<Namespace> =>
  import(/* @vite-ignore */ name) as Promise<Namespace>;

export class InProcessKernel implements KernelLink {
  onMessage: KernelLink["onMessage"] = null;
  onLost: KernelLink["onLost"] = null;
  readonly silence = 0;
  #kernel = this.#create();

  send(message: HostMessage): void {
    const kernel = this.#kernel;
    const copy = structuredClone(message);
    queueMicrotask(() => {
      if (kernel === this.#kernel) kernel.receive(copy);
    });
  }

  /** As of `Kernel`: whoever owns the process hears of errors that nothing waits for. */
  stray(thrown: unknown): boolean {
    return this.#kernel.stray(thrown);
  }

  environments(): null {
    return null;
  }

  prepare(): void {
    // A kernel here is an object: nothing to get ready.
  }

  restart(): Promise<void> {
    this.#kernel.dispose();
    this.#kernel = this.#create();
    return Promise.resolve();
  }

  dispose(): void {
    this.#kernel.dispose();
    this.onMessage = null;
  }

  #create(): Kernel {
    const kernel: Kernel = new Kernel((message) => {
      const checked = readKernelMessage(structuredClone(message));
      queueMicrotask(() => {
        if (checked && kernel === this.#kernel) this.onMessage?.(checked);
      });
    }, importInstalled);
    return kernel;
  }
}
