import {
  environmentOfHost,
  MAX_SAVED,
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

/** What is asked of the environments, with the number that the answer bears. */
export interface AskedOfHost {
  readonly request: number;
  readonly reference: string;
  readonly ask: HostAsk;
}

type HostAsk =
  | { readonly kind: "run"; readonly batch: HostBatch }
  | { readonly kind: "save"; readonly indices: Int32Array }
  | { readonly kind: "load"; readonly indices: Int32Array; readonly saved: readonly string[] };

type Answer =
  | { readonly request: number; readonly reply: unknown }
  | { readonly request: number; readonly error: ErrorData };

/** The kernel's end; cells share its realm, and never get hold of the port behind it. */
export interface EnvironmentPort {
  answer(message: Answer): void;
  /** Begins to hand over what is asked. */
  listen(receive: (asked: AskedOfHost) => void): void;
}

/** Steps the host environments of this realm, with instances of their own, for whoever holds the other end. */
export function serveEnvironments(port: EnvironmentPort): void {
  const environments = new Map<string, Environment>();
  port.listen(({ request, reference, ask }) => {
    let answered = false;
    // Once for each request, whatever a cell has made of promises.
    const answer = (message: Answer): void => {
      if (answered) return;
      answered = true;
      port.answer(message);
    };
    const environment = environments.get(reference) ?? environmentOfHost(reference);
    environments.set(reference, environment);
    answerOf(environment.host!, ask).then(
      (reply) => {
        answer({ request, reply });
      },
      (error: unknown) => {
        answer({ request, error: asFulguriteError(error).toData() });
      },
    );
  });
}

function answerOf(host: HostStepper, ask: HostAsk): Promise<unknown> {
  switch (ask.kind) {
    case "run":
      return host.run(ask.batch);
    case "save":
      return host.save(ask.indices);
    case "load":
      return host.load(ask.indices, ask.saved);
  }
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
  const { name, observationSize, mask } = environmentOfHost(reference);
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
      else asked.resolve((data as { readonly reply?: unknown }).reply);
    } catch {
      end(nonsense(name));
    }
  });
  // Where the browser says that the other side is gone; elsewhere the time limit finds out.
  port.addEventListener("close", () => {
    end(left(name));
  });
  port.start();

  const ask = <T>(asked: HostAsk, call: string, count: number, reader: read.Reader<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (over) {
        reject(over);
        return;
      }
      const request = next++;
      const timer = clock.setTimeout(() => {
        end(endless(name, call, count, limit));
      }, limit);
      const settle = (): void => {
        clock.clearTimeout(timer);
        waiting.delete(request);
      };
      waiting.set(request, {
        // Throws where it is something else.
        resolve: (reply) => {
          const value = reader(reply);
          settle();
          resolve(value);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      port.postMessage({ request, reference, ask: asked } satisfies AskedOfHost);
    });

  return {
    run: (batch) => {
      const count = batch.indices.length;
      const call = batch.actions ? "step()" : "reset()";
      return ask(
        { kind: "run", batch },
        call,
        count,
        replyReader(count, observationSize, mask !== undefined),
      );
    },
    save: (indices) =>
      ask({ kind: "save", indices }, "save()", indices.length, read.nullable(savedOf(indices.length))),
    load: (indices, saved) =>
      ask(
        { kind: "load", indices, saved },
        "load()",
        indices.length,
        words(mask === undefined ? 0 : indices.length),
      ),
  };
}

interface Waiting {
  readonly resolve: (reply: unknown) => void;
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

const savedOf =
  (length: number): read.Reader<readonly string[]> =>
  (value) => {
    const texts = read.list(read.text(MAX_SAVED), length)(value);
    if (texts.length !== length) throw new read.Invalid("saved");
    return texts;
  };

const words =
  (length: number): read.Reader<Uint32Array> =>
  (value) => {
    if (!(value instanceof Uint32Array) || value.length !== length) throw new read.Invalid("words");
    return value.slice();
  };

const replyReader = (count: number, size: number, masked: boolean): read.Reader<HostReply> =>
  read.object<HostReply>({
    observations: numbers(count * size),
    rewards: numbers(count),
    terminated: flags(count),
    starts: numbers(count * size),
    masks: words(masked ? count : 0),
  });

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

const endless = (name: string, call: string, count: number, limit: number): FulguriteError =>
  new FulguriteError(
    "env/host",
    `The environment "${name}" did not return from ${call} within ${limit / 1_000} s (a batch of ${count}).`,
    "Look for a loop without an end in it, or in another cell that runs.",
  );
