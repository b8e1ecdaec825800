import type { ErrorData } from "../gpu/error.ts";
import type { HostMessage, KernelMessage } from "./protocol.ts";

/** The host's end of a kernel, sandboxed or in process. */
export interface KernelLink {
  send(message: HostMessage): void;
  /** A port to the kernel's host environments, for one run; null where they live in this very realm. */
  environments(): MessagePort | null;
  /** Receives checked messages only. */
  onMessage: ((message: KernelMessage) => void) | null;
  /** The kernel is gone or does what a kernel may not do; `restart` brings a fresh one. */
  onLost: ((reason: ErrorData) => void) | null;
  /** Gets a fresh kernel ready beside the present one, so that a `restart` soon after takes no time. */
  prepare(): void;
  /** Ends the kernel at once, whatever it runs, and starts an empty one. */
  restart(): Promise<void>;
  /** Milliseconds since the kernel last answered while being asked; 0 where it cannot hang alone. */
  readonly silence: number;
  dispose(): void;
}

/** Makes a kernel that is ready for messages. Rejects with a `FulguriteError` where it must not run. */
export type KernelFactory = () => Promise<KernelLink>;
