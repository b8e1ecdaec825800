import type { Span } from "../../src/store/records.ts";

/** Who keeps spans: our store, or a peer. All are asked for the same. */
export interface Contestant {
  /** Makes these spans durable in one transaction. They are of one run, which it has not seen before or knows. */
  write(runId: string, spans: readonly Span[]): Promise<void>;
  /** After the last write: rows of the runs themselves, of which the mean reward is asked. */
  finish(runId: string, firstRollout: number, rollouts: number): Promise<void>;
  /** All spans of one rollout with their tokens: how many, and the sum of the log-probabilities. */
  byRollout(runId: string, number: number): Promise<Found>;
  meanReward(runId: string): Promise<number>;
  /** Reads every row and its log-probabilities. */
  scan(runIds: readonly string[]): Promise<Found>;
  /** Forgets what it has in memory: closes and opens again, until it can answer. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

export interface Found {
  readonly rows: number;
  readonly sum: number;
}
