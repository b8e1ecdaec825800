import { isCompletion } from "../gateway/gateway.ts";
import type {
  Gateway,
  GatewayContext,
  GatewayResponse,
  SamplingOverrides,
} from "../gateway/gateway-types.ts";
import type { ModelCall } from "../gateway/model-call.ts";
import type { AgentHost, AttemptEnd, Emission, FailureReason, RunnerClock } from "./agent-host.ts";

/** One rollout to make. */
export interface RolloutTask {
  readonly rolloutId: string;
  /** Cloneable; what the agent is called with. */
  readonly task: unknown;
  /** Number of the rollout among the siblings of its task, from 0. */
  readonly sample: number;
}

export interface RolloutLimits {
  /** Milliseconds from the moment an attempt's code runs. */
  readonly timeout: number;
  /** Attempts a rollout gets; at least 1. */
  readonly maxAttempts: number;
  /** Requests to the policy an attempt may make. */
  readonly maxCalls: number;
  /** Bytes an attempt may send, its requests, emissions and result together. */
  readonly maxOutputBytes: number;
  /** Attempts side by side; never more than the hosts have slots. */
  readonly concurrency: number;
}

export const defaultLimits: RolloutLimits = {
  timeout: 60_000,
  maxAttempts: 2,
  maxCalls: 100,
  maxOutputBytes: 4_000_000,
  concurrency: 64,
};

/** How one attempt ended. */
export interface FinishedAttempt {
  readonly rolloutId: string;
  readonly attemptId: string;
  /** From 1. */
  readonly attempt: number;
  readonly sample: number;
  readonly task: unknown;
  readonly status: "succeeded" | "failed" | "timeout" | "cancelled";
  /** Null where it succeeded. */
  readonly reason: FailureReason | null;
  /** For people; null where it succeeded. */
  readonly message: string | null;
  /** Line of the agent's code; null where unknown. */
  readonly line: number | null;
  /** What the agent returned; undefined where it did not. */
  readonly result: unknown;
  /** In the order in which they ended. */
  readonly calls: readonly ModelCall[];
  /** In the order in which they began; of each call where it stands among them. */
  readonly emissions: readonly Emission[];
  /** Addresses that the agent was refused. */
  readonly denied: readonly string[];
  readonly startTime: number;
  readonly endTime: number;
  /** False: the rollout is tried again. */
  readonly final: boolean;
}

export interface RolloutControllerOptions {
  /** All run the same agent. */
  readonly hosts: readonly AgentHost[];
  readonly gateway: Pick<Gateway, "handle">;
  readonly clock: RunnerClock;
  readonly mode: "train" | "evaluation";
  readonly sampling?: SamplingOverrides;
  readonly limits?: Partial<RolloutLimits>;
  /** Seeds the agent's `Math.random`; default null: left as it is. */
  readonly randomSeedFor?:
    ((attempt: { readonly rolloutId: string; readonly attemptId: string }) => number) | null;
}

/** A rollout on its way through its attempts. */
interface Progress {
  readonly task: RolloutTask;
  attempts: number;
  /** Attempts that count against the limit. */
  counted: number;
  /** It ran in a frame that was lost, perhaps by its own doing. */
  suspect: boolean;
  /** Attempts that were lost with their frame before they began. */
  neverBegan: number;
}

/** Attempts of one rollout that may be lost before they begin and not count. */
const maxNeverBegan = 3;

/**
 * Makes rollouts: hands tasks to hosts, ends what takes too long or says too much, tries again what failed and
 * counts every failure by its reason. A failed rollout has no result; it is never one with reward 0.
 *
 * Losing a frame may be the doing of any attempt inside, and takes down every frame that the browser keeps in the
 * same process. So those rollouts wait until the others are done and then run alone; the attempt that was lost beside
 * others does not count against the limit, once.
 */
export class RolloutController {
  readonly #options: RolloutControllerOptions;
  readonly #limits: RolloutLimits;
  readonly #counts = new Map<FailureReason, number>();
  readonly #busy = new Map<AgentHost, number>();

  constructor(options: RolloutControllerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  /** Failed attempts so far, by reason. */
  get failures(): Readonly<Partial<Record<FailureReason, number>>> {
    return Object.fromEntries(this.#counts);
  }

  /**
   * Yields every attempt when it ends, retried ones too (`final` false). Aborting the signal ends what runs; what
   * has not begun is yielded as cancelled as well. Throws where a host has nowhere to run code.
   */
  async *run(
    tasks: Iterable<RolloutTask>,
    signal: AbortSignal = new AbortController().signal,
  ): AsyncGenerator<FinishedAttempt, void, undefined> {
    const waiting = Array.from(tasks, (task): Progress => ({
      task,
      attempts: 0,
      counted: 0,
      suspect: false,
      neverBegan: 0,
    }));
    waiting.reverse();
    const suspects: Progress[] = [];
    const finished: FinishedAttempt[] = [];
    const slots = this.#options.hosts.reduce((sum, host) => sum + host.slots, 0);
    const concurrency = Math.max(1, Math.min(this.#limits.concurrency, slots));
    let running = 0;
    let fatal: { readonly error: unknown } | null = null as { readonly error: unknown } | null;
    let wake = (): void => undefined;
    const stop = new AbortController();
    // A set and not listeners of one signal: Node warns of hundreds of those.
    const cancels = new Set<() => void>();
    const follow = (): void => {
      stop.abort();
      for (const cancel of cancels) cancel();
      wake();
    };
    signal.addEventListener("abort", follow, { once: true });
    if (signal.aborted) stop.abort();

    const start = (progress: Progress, alone: boolean): void => {
      running++;
      void this.#attempt(progress, alone, cancels).then(
        (attempt) => {
          running--;
          if (!attempt.final) (progress.suspect ? suspects : waiting).push(progress);
          finished.push(attempt);
          wake();
        },
        (error: unknown) => {
          fatal = { error };
          wake();
        },
      );
    };

    try {
      for (;;) {
        while (waiting.length > 0 && running < concurrency && !stop.signal.aborted)
          start(waiting.pop()!, false);
        if (waiting.length === 0 && running === 0 && !stop.signal.aborted) {
          const suspect = suspects.shift();
          if (suspect) start(suspect, true);
        }
        if (fatal) throw fatal.error;
        if (stop.signal.aborted) {
          for (const progress of [...waiting.splice(0).reverse(), ...suspects.splice(0)]) {
            finished.push(this.#neverRan(progress));
          }
        }
        while (finished.length > 0) yield finished.shift()!;
        if (running === 0 && waiting.length === 0 && suspects.length === 0) return;
        if (running > 0 && finished.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (fatal) resolve();
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", follow);
      follow();
    }
  }

  async #attempt(progress: Progress, alone: boolean, cancels: Set<() => void>): Promise<FinishedAttempt> {
    const { clock, gateway, mode, sampling } = this.#options;
    const { maxCalls, maxOutputBytes, timeout } = this.#limits;
    const { rolloutId, task, sample } = progress.task;
    const attempt = ++progress.attempts;
    const attemptId = `${rolloutId}.${attempt}`;
    const calls: ModelCall[] = [];
    const emissions: Emission[] = [];
    const denied: string[] = [];
    const context: GatewayContext = {
      rolloutId,
      attemptId,
      mode,
      ...(sampling && { sampling }),
      onCall: (call) => {
        calls.push(call);
      },
    };
    let startTime = clock.now();
    let started = false;
    let timer: unknown = null;
    let asked = 0;
    let completions = 0;
    // Why we ended it, where it was us.
    let ended: FailureReason | null = null;
    const kill = new AbortController();
    const endIt = (reason: FailureReason): void => {
      ended ??= reason;
      kill.abort();
    };
    const cancel = (): void => {
      endIt("cancelled");
    };
    cancels.add(cancel);
    const host = this.#takeHost();
    let end: AttemptEnd;
    try {
      end = await host.run({
        identity: { rolloutId, attemptId, sample, mode },
        task,
        randomSeed: this.#options.randomSeedFor?.({ rolloutId, attemptId }) ?? null,
        allowance: { messages: 2 * maxCalls + 200, bytes: maxOutputBytes },
        signal: kill.signal,
        onStart: () => {
          started = true;
          startTime = clock.now();
          timer = clock.setTimeout(() => {
            endIt("timed-out");
          }, timeout);
        },
        onFetch: async (request, signal, operation): Promise<GatewayResponse> => {
          if (++asked <= maxCalls) {
            if (isCompletion(request)) {
              const value = completions++;
              emissions.push({ kind: "call", name: String(operation), value, time: clock.now() });
            }
            return gateway.handle(request, context, signal);
          }
          endIt("too-many-calls");
          return { status: 429, headers: {}, body: "" };
        },
        onEmission: (emission) => {
          // The agent's clock is not to be trusted beyond what is possible.
          const now = clock.now();
          const time = Math.max(startTime, Math.min(emission.time ?? now, now));
          emissions.push({ ...emission, time });
        },
        onDenied: (url) => {
          denied.push(url);
        },
      });
    } finally {
      clock.clearTimeout(timer);
      cancels.delete(cancel);
      this.#busy.set(host, this.#busy.get(host)! - 1);
    }
    const common = { rolloutId, attemptId, attempt, sample, task, calls, emissions, denied };
    const times = { startTime, endTime: clock.now() };
    if (end.ok && ended === null) {
      const outcome = { status: "succeeded", reason: null, message: null, line: null } as const;
      return { ...common, ...times, ...outcome, result: end.result, final: true };
    }
    const reason = ended ?? (end.ok ? "cancelled" : this.#blame(end.reason, calls));
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    // A browser that keeps frames in one process loses them together, and one after the other is found to be lost: who was
    // put into such a frame never began. Not without end, as starting may be what takes the frame down.
    const forgiven =
      reason === "frame-lost" &&
      ((!alone && !progress.suspect) || (!started && progress.neverBegan++ < maxNeverBegan));
    if (reason === "frame-lost") progress.suspect = true;
    if (!forgiven) progress.counted++;
    return {
      ...common,
      ...times,
      status: reason === "timed-out" ? "timeout" : reason === "cancelled" ? "cancelled" : "failed",
      reason,
      message: this.#explain(reason, end),
      line: end.ok ? null : end.line,
      result: undefined,
      final:
        reason === "cancelled" || reason === "load-failed" || progress.counted >= this.#limits.maxAttempts,
    };
  }

  /** The host with most room. */
  #takeHost(): AgentHost {
    const room = (host: AgentHost): number => host.slots - (this.#busy.get(host) ?? 0);
    const host = this.#options.hosts.reduce((best, next) => (room(next) > room(best) ? next : best));
    this.#busy.set(host, (this.#busy.get(host) ?? 0) + 1);
    return host;
  }

  #blame(reason: FailureReason, calls: readonly ModelCall[]): FailureReason {
    return reason === "threw" && calls.at(-1)?.status === "failed" ? "model-error" : reason;
  }

  #explain(reason: FailureReason, end: AttemptEnd): string {
    const { timeout, maxCalls } = this.#limits;
    switch (reason) {
      case "timed-out":
        return `It was not done after ${timeout} ms.`;
      case "too-many-calls":
        return `It asked the policy more than ${maxCalls} times.`;
      case "cancelled":
        return "The run was stopped.";
      default:
        return end.ok ? reason : end.message;
    }
  }

  #neverRan({ task, attempts }: Progress): FinishedAttempt {
    const now = this.#options.clock.now();
    this.#counts.set("cancelled", (this.#counts.get("cancelled") ?? 0) + 1);
    return {
      rolloutId: task.rolloutId,
      attemptId: `${task.rolloutId}.${attempts + 1}`,
      attempt: attempts + 1,
      sample: task.sample,
      task: task.task,
      status: "cancelled",
      reason: "cancelled",
      message: "The run was stopped before it began.",
      line: null,
      result: undefined,
      calls: [],
      emissions: [],
      denied: [],
      startTime: now,
      endTime: now,
      final: true,
    };
  }
}
