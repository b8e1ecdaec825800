import type { GatewayRequest, GatewayResponse } from "../gateway/gateway-types.ts";
import type { RecordedEmission } from "../trace/emission-spans.ts";
import type { RunIdentity } from "./protocol.ts";

/**
 * Why an attempt did not succeed.
 * - threw: the agent's function threw or rejected
 * - model-error: it threw after the policy had failed to answer it
 * - timed-out: not done in time, and ended
 * - flooded: sent more messages or bytes than allowed
 * - too-many-calls: asked the policy more often than allowed
 * - invalid-result: its result cannot be cloned
 * - load-failed: its code does not compile, or threw before the agent was called; never retried
 * - worker-lost: its worker broke or sent something that is no message
 * - frame-lost: the frame around its worker stopped answering
 * - cancelled: the run was stopped
 */
export type FailureReason =
  | "threw"
  | "model-error"
  | "timed-out"
  | "flooded"
  | "too-many-calls"
  | "invalid-result"
  | "load-failed"
  | "worker-lost"
  | "frame-lost"
  | "cancelled";

/** Something an agent said or asked while it ran, at a time of the trainer's clock. */
export type Emission = RecordedEmission;

/** The same as its host hears of it: later than it happened, where the trainer was busy. */
export interface HeardEmission extends Omit<Emission, "time"> {
  /** When it happened, in milliseconds since the epoch by the agent's own clock; default now. */
  readonly time?: number;
}

/** One attempt to run, and whom to ask and tell meanwhile. */
export interface AttemptRequest {
  readonly identity: RunIdentity;
  readonly task: unknown;
  /** Seed of the agent's `Math.random`; null leaves that as it is. */
  readonly randomSeed: number | null;
  /** Most messages and bytes it may send, its result included. */
  readonly allowance: { readonly messages: number; readonly bytes: number };
  /** Aborting ends the attempt at once, terminating what cannot be asked to stop. */
  readonly signal: AbortSignal;
  /** The agent's code is about to run: time counts from here. */
  readonly onStart: () => void;
  /** A request to the policy, made in an operation (0: in none); the signal aborts where the agent gave up or ended. */
  readonly onFetch: (
    request: GatewayRequest,
    signal: AbortSignal,
    operation: number,
  ) => Promise<GatewayResponse>;
  readonly onEmission: (emission: HeardEmission) => void;
  /** A request to anywhere else, refused. */
  readonly onDenied: (url: string) => void;
}

export type AttemptEnd =
  | { readonly ok: true; readonly result: unknown }
  | {
      readonly ok: false;
      readonly reason: FailureReason;
      readonly message: string;
      /** Line of the agent's code, from 1; null where unknown. */
      readonly line: number | null;
    };

/** A place where one agent's code runs. */
export interface AgentHost {
  /** Attempts that can run side by side. */
  readonly slots: number;
  /** Runs one attempt, waiting for a free slot. Rejects only where nothing can run at all. */
  run(request: AttemptRequest): Promise<AttemptEnd>;
  dispose(): void;
}

/** Time as the runner needs it; in a browser or Node the global functions. */
export interface RunnerClock {
  /** Milliseconds since the epoch. */
  now(): number;
  setTimeout(run: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
}
