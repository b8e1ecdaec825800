import {
  environmentOfHost,
  type HostBatch,
  type HostReply,
  type HostStepper,
} from "../env/host-environment.ts";
import type { Environment } from "../env/environment.ts";
import { asFulguriteError, FulguriteError, type ErrorData } from "../gpu/error.ts";
import type { RunnerClock } from "../runner/agent-host.ts";
import { errorData } from "./protocol.ts";
import * as read from "./validate.ts";

// A port of its own for every run: batches go from the trainer to the kernel, and neither page nor cells are in between.

/** A batch, with the number that its answer bears. */
export interface AskedBatch {
  readonly request: number;
  readonly reference: string;
  readonly batch: HostBatch;
}

type Answer =
  | { readonly request: number; readonly reply: HostReply }
  | { readonly request: number; readonly error: ErrorData };

/** The kernel's end; cells share its realm, and never get hold of the port behind it. */
export interface EnvironmentPort {
  answer(message: Answer): void;
  /** Begins to hand over what is asked. */
  listen(receive: (asked: AskedBatch) => void): void;
}

/** Steps the host environments of this realm, with instances of their own, for whoever holds the other end. */
export function serveEnvironments(port: EnvironmentPort): void {
  const environments = new Map<string, Environment>();
  port.listen(({ request, reference, batch }) => {
    let answered = false;
    // Once for each request, whatever a cell has made of promises.
    const answer = (message: Answer): void => {
      if (answered) return;
      answered = true;
      port.answer(message);
    };
    const environment = environments.get(reference) ?? environmentOfHost(reference);
    environments.set(reference, environment);
    environment.host!(batch).then(
      (reply) => {
        answer({ request, reply });
      },
      (error: unknown) => {
        answer({ request, error: asFulguriteError(error).toData() });
      },
    );
  });
}

export interface EnvironmentPortOptions {
  readonly clock: Pick<RunnerClock, "setTimeout" | "clearTimeout">;
  /** Milliseconds that one batch may take; default 20,000. */
  readonly limit?: number;
}

/**
 * Steps an environment that lives at the other end of the port, in a kernel. Whatever comes from there is checked. A
 * batch rejects with "env/host" where the environment threw, did not answer in time, or is gone with its kernel.
 */
export function environmentsOver(
  port: MessagePort,
  reference: string,
  { clock, limit = 20_000 }: EnvironmentPortOptions,
): HostStepper {
  const { name, observationSize } = environmentOfHost(reference);
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let over: FulguriteError | null = null;

  const end = (error: FulguriteError): void => {
    over ??= error;
    port.close();
    for (const { reject } of waiting.values()) reject(over);
  };

  port.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    try {
      const { request } = readRequest(data);
      const asked = waiting.get(request);
      if (!asked) throw new read.Invalid("request");
      const { error } = data as { readonly error?: unknown };
      if (error !== undefined) asked.reject(FulguriteError.fromData(errorData(error)));
      else
        asked.resolve(readReply((data as { readonly reply?: unknown }).reply, asked.count, observationSize));
    } catch {
      end(nonsense(name));
    }
  });
  // Where the browser says that the other side is gone; elsewhere the time limit finds out.
  port.addEventListener("close", () => {
    end(left(name));
  });
  port.start();

  return (batch) =>
    new Promise<HostReply>((resolve, reject) => {
      if (over) {
        reject(over);
        return;
      }
      const request = next++;
      const timer = clock.setTimeout(() => {
        end(endless(name, batch, limit));
      }, limit);
      const settle = (): void => {
        clock.clearTimeout(timer);
        waiting.delete(request);
      };
      waiting.set(request, {
        count: batch.indices.length,
        resolve: (reply) => {
          settle();
          resolve(reply);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      port.postMessage({ request, reference, batch } satisfies AskedBatch);
    });
}

interface Waiting {
  readonly count: number;
  readonly resolve: (reply: HostReply) => void;
  readonly reject: (error: FulguriteError) => void;
}

const readRequest = read.object<{ readonly request: number }>({ request: read.whole(2 ** 53 - 1) });

const numbers =
  (length: number): read.Reader<Float32Array> =>
  (value) => {
    if (!(value instanceof Float32Array) || value.length !== length) throw new read.Invalid("numbers");
    const copy = value.slice();
    if (!copy.every(Number.isFinite)) throw new read.Invalid("finite numbers");
    return copy;
  };

const flags =
  (length: number): read.Reader<Uint8Array> =>
  (value) => {
    if (!(value instanceof Uint8Array) || value.length !== length) throw new read.Invalid("flags");
    return value.map((flag) => (flag === 0 ? 0 : 1));
  };

const readReply = (value: unknown, count: number, size: number): HostReply =>
  read.object<HostReply>({
    observations: numbers(count * size),
    rewards: numbers(count),
    terminated: flags(count),
    starts: numbers(count * size),
  })(value);

const nonsense = (name: string): FulguriteError =>
  new FulguriteError(
    "env/host",
    `The environment "${name}" answered with something else than observations, rewards and ends.`,
    "Run its cell again, and then train.",
  );

const left = (name: string): FulguriteError =>
  new FulguriteError(
    "env/host",
    `The environment "${name}" is gone: the notebook's cells were stopped, or its page was closed.`,
    "Run its cell again, and then train.",
  );

const endless = (name: string, { actions, indices }: HostBatch, limit: number): FulguriteError =>
  new FulguriteError(
    "env/host",
    `The environment "${name}" did not return from ${actions ? "step()" : "reset()"} within ${limit / 1_000} s (a batch of ${indices.length}).`,
    "Look for a loop without an end in it, or in another cell that runs.",
  );
