import { FulguriteError } from "../gpu/error.ts";
import type { Completion } from "../train/complete.ts";
import type { TrainResult } from "../train/job.ts";
import type { HostMessage, KernelMessage } from "./protocol.ts";

type Asked = Extract<KernelMessage, { kind: "train" | "complete" | "fetch" | "package" }>;
type Answer = Extract<HostMessage, { kind: "trained" | "completed" | "response" | "package" | "refused" }>;
type Distribute<T> = T extends unknown ? Omit<T, "request"> : never;

/** What was asked, without the number that it gets. */
export type Ask = Distribute<Asked>;

interface AnswerOf {
  readonly train: TrainResult;
  readonly complete: readonly Completion[];
  readonly fetch: Extract<Answer, { kind: "response" }>;
  readonly package: string;
}

/** What the kernel has asked of its host and waits for. */
export class KernelRequests {
  readonly #post: (message: KernelMessage) => void;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (value: never) => void; readonly reject: (error: unknown) => void }
  >();
  #next = 1;

  constructor(post: (message: KernelMessage) => void) {
    this.#post = post;
  }

  /** Rejects with the host's `FulguriteError`, or with the signal's reason, of which the host is told. */
  ask<K extends Ask["kind"]>(
    message: Extract<Ask, { kind: K }>,
    signal?: AbortSignal | null,
  ): Promise<AnswerOf[K]> {
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const request = this.#next++;
    const answer = new Promise<AnswerOf[K]>((resolve, reject) => {
      this.#waiting.set(request, { resolve, reject });
      signal?.addEventListener("abort", () => {
        if (!this.#waiting.delete(request)) return;
        this.#post({ kind: "abort", request });
        reject(signal.reason as Error);
      });
    });
    this.#post({ ...message, request } as unknown as Asked);
    return answer;
  }

  receive(message: Answer): void {
    const waiting = this.#waiting.get(message.request);
    if (!waiting) return;
    this.#waiting.delete(message.request);
    const resolve = waiting.resolve as (value: unknown) => void;
    switch (message.kind) {
      case "trained":
        resolve(message.result);
        break;
      case "completed":
        resolve(message.completions);
        break;
      case "response":
        resolve(message);
        break;
      case "package":
        resolve(message.source);
        break;
      case "refused":
        waiting.reject(FulguriteError.fromData(message.error));
        break;
    }
  }
}
