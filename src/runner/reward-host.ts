import type { RunnerClock } from "./agent-host.ts";
import { workerScript, type RewardSource, type WorkerScript } from "./agent-source.ts";
import type { FrameWorker } from "./frame.ts";
import type { FramePool } from "./frame-pool.ts";
import type { Score } from "./protocol.ts";
import { rewardWorker } from "./reward-worker.ts";
import { scoreItem } from "./score-item.ts";
import { startWorker, WorkerStartError } from "./start-worker.ts";
import { parseWorkerMessage } from "./worker-message.ts";

/** A finished rollout, for its reward. */
export interface ScoreRequest {
  readonly rolloutId: string;
  readonly task: unknown;
  readonly result: unknown;
  /** What the reward may look at besides the result: the calls as messages, for example. */
  readonly transcript: unknown;
}

/**
 * Why a rollout has no reward: its reward threw or gave no finite number, did not end in time, or took its worker
 * or frame down; or the code did not load, for all of them.
 */
export type ScoreFailure = "threw" | "timed-out" | "flooded" | "worker-lost" | "frame-lost" | "load-failed";

/** A rollout whose reward failed is left out and counted; it never gets 0. */
export type ScoreOutcome =
  | {
      readonly rolloutId: string;
      readonly ok: true;
      /** By name, before weights: a number, or one for each part of the result. */
      readonly components: Readonly<Record<string, Score>>;
      readonly weights: Readonly<Record<string, number>>;
    }
  | {
      readonly rolloutId: string;
      readonly ok: false;
      readonly reason: ScoreFailure;
      readonly message: string;
      /** Line of the reward's code, from 1; null where unknown. */
      readonly line: number | null;
    };

/** A place where one reward's code runs. */
export interface RewardHost {
  /** Scores in the order given; batches run one after another. Rejects only where nothing can run at all. */
  score(items: readonly ScoreRequest[]): Promise<ScoreOutcome[]>;
  dispose(): void;
}

export interface FrameRewardHostOptions {
  readonly frames: FramePool;
  readonly source: RewardSource;
  readonly clock: RunnerClock;
  /** Milliseconds one item may take; default 2,000. */
  readonly itemTimeout?: number;
  /** Milliseconds until the worker must have evaluated its library; default 10,000. */
  readonly startTimeout?: number;
}

/** How far a batch came in one worker: what was scored, and what stopped it. */
interface Advance {
  readonly outcomes: readonly ScoreOutcome[];
  /** Null where all were scored. */
  readonly stopped: { readonly reason: ScoreFailure; readonly message: string; readonly line: number } | null;
}

/** Evaluates a reward in a worker of its own, in a sandboxed frame. */
export function createFrameRewardHost(options: FrameRewardHostOptions): RewardHost {
  return new FrameRewardHost(options);
}

class FrameRewardHost implements RewardHost {
  readonly #options: FrameRewardHostOptions;
  readonly #script: WorkerScript;
  #worker: FrameWorker | null = null;
  #runs = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: FrameRewardHostOptions) {
    this.#options = options;
    const runtime = `(prepare) => (${rewardWorker.toString()})(prepare, ${scoreItem.toString()})`;
    this.#script = workerScript(runtime, options.source);
  }

  score(items: readonly ScoreRequest[]): Promise<ScoreOutcome[]> {
    const scored = this.#last.then(() => this.#batch(items));
    this.#last = scored.catch(() => undefined);
    return scored;
  }

  dispose(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }

  async #batch(items: readonly ScoreRequest[]): Promise<ScoreOutcome[]> {
    const outcomes: ScoreOutcome[] = [];
    let framesLost = 0;
    while (outcomes.length < items.length) {
      const rest = items.slice(outcomes.length);
      const { outcomes: more, stopped } = await this.#advance(rest);
      outcomes.push(...more);
      framesLost = more.length > 0 ? 0 : framesLost;
      if (!stopped) continue;
      this.dispose();
      // Something else in the frame's process may have ended it: that item is tried once more.
      if (stopped.reason === "frame-lost" && ++framesLost < 2) continue;
      framesLost = 0;
      const guilty =
        stopped.reason === "load-failed" ? items.slice(outcomes.length) : [items[outcomes.length]!];
      outcomes.push(...guilty.map(({ rolloutId }) => this.#failure(rolloutId, stopped)));
    }
    return outcomes;
  }

  async #advance(items: readonly ScoreRequest[]): Promise<Advance> {
    const { frames, clock, startTimeout, itemTimeout = 2000 } = this.#options;
    let worker: FrameWorker;
    try {
      worker = this.#worker ??= await startWorker(frames, this.#script, {
        clock,
        timeout: startTimeout ?? 10_000,
        environment: {},
      });
    } catch (error) {
      if (!(error instanceof WorkerStartError)) throw error;
      return { outcomes: [], stopped: error };
    }
    const run = ++this.#runs;
    const outcomes: ScoreOutcome[] = [];
    return new Promise((resolve) => {
      let timer: unknown = null;
      const finish = (stopped: Advance["stopped"]): void => {
        clock.clearTimeout(timer);
        worker.onMessage = () => undefined;
        worker.onLoss = () => {
          this.#worker = null;
        };
        resolve({ outcomes, stopped });
      };
      const watch = (): void => {
        clock.clearTimeout(timer);
        timer = clock.setTimeout(() => {
          finish({ reason: "timed-out", message: `it was not done after ${itemTimeout} ms`, line: 0 });
        }, itemTimeout);
      };
      worker.onLoss = ({ reason, message, line }) => {
        finish({ reason: reason === "failed" ? "worker-lost" : reason, message, line });
      };
      worker.onMessage = (data) => {
        const message = parseWorkerMessage(data);
        const item = items[outcomes.length]!;
        const expected =
          (message?.kind === "scored" || message?.kind === "unscored") && message.index === outcomes.length;
        if (!expected) {
          finish({ reason: "worker-lost", message: "the worker sent what is no score", line: 0 });
          return;
        }
        if (message.run !== run) return;
        if (message.kind === "scored" && allFinite(message)) {
          const { components, weights } = message;
          outcomes.push({ rolloutId: item.rolloutId, ok: true, components, weights });
        } else {
          const error =
            message.kind === "unscored"
              ? message.error
              : { name: "RangeError", message: "a score is not a finite number", line: 0 };
          outcomes.push(
            this.#failure(item.rolloutId, {
              reason: "threw",
              message: `${error.name}: ${error.message}`,
              line: error.line,
            }),
          );
        }
        if (outcomes.length === items.length) finish(null);
        else watch();
      };
      watch();
      const stripped = items.map(({ task, result, transcript }) => ({ task, result, transcript }));
      const allowance = { messages: 2 * items.length + 100, bytes: 1_000_000 + 20_000 * items.length };
      worker.post({ kind: "score", run, items: stripped }, allowance);
    });
  }

  /** `line` counts in the worker's script. */
  #failure(rolloutId: string, { reason, message, line }: NonNullable<Advance["stopped"]>): ScoreOutcome {
    const at = line - this.#script.lineOffset;
    return { rolloutId, ok: false, reason, message, line: at > 0 ? at : null };
  }
}

/** The worker has checked this; but it is the worker that says so. */
function allFinite({
  components,
  weights,
}: {
  readonly components: Readonly<Record<string, Score>>;
  readonly weights: Readonly<Record<string, number>>;
}): boolean {
  return (
    Object.values(components).flat().every(Number.isFinite) &&
    Object.keys(components).every((name) => Number.isFinite(weights[name]))
  );
}

export interface InProcessRewardHostOptions {
  readonly source: RewardSource;
  /** Evaluates the code and gives the reward. In Node: `evaluateInNode`. */
  readonly evaluate: (source: RewardSource, globals: Readonly<Record<string, unknown>>) => unknown;
}

/** Evaluates a trusted reward in this very process. */
export function createInProcessRewardHost({ source, evaluate }: InProcessRewardHostOptions): RewardHost {
  return {
    async score(items) {
      const failed = (rolloutId: string, reason: ScoreFailure, error: unknown): ScoreOutcome => {
        const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        return { rolloutId, ok: false, reason, message, line: null };
      };
      let reward: unknown;
      try {
        reward = evaluate(
          { ...source, values: structuredClone(source.values) },
          { defineReward: (...args: readonly unknown[]) => args.at(-1) },
        );
      } catch (error) {
        return items.map(({ rolloutId }) => failed(rolloutId, "load-failed", error));
      }
      const outcomes: ScoreOutcome[] = [];
      for (const { rolloutId, ...item } of items) {
        try {
          outcomes.push({ rolloutId, ok: true, ...(await scoreItem(reward, structuredClone(item))) });
        } catch (error) {
          outcomes.push(failed(rolloutId, "threw", error));
        }
      }
      return outcomes;
    },
    dispose: () => undefined,
  };
}
