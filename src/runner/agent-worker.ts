import type { createEmit } from "../trace/emit.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./protocol.ts";

/** The agent as its code defines it. */
type AgentFunction = (task: unknown, context: unknown) => unknown;

/**
 * Runtime of an agent's worker, called before any of the agent's code. It travels as source
 * (`Function.prototype.toString`), so everything it uses is inside it or a global of the worker; what it needs after
 * the agent's code has run is captured before. `prepare` evaluates the library and gives a function that evaluates
 * the code with the captured values.
 */
export function agentWorker(
  prepare: () => (...values: readonly unknown[]) => unknown,
  measure: (value: unknown, limit: number) => number,
  makeEmit: typeof createEmit,
  seededRandom: (seed: number) => () => number,
): void {
  interface PendingFetch {
    resolve(response: Response): void;
    reject(error: unknown): void;
    stream: ReadableStreamDefaultController<Uint8Array> | null;
  }
  const scope = globalThis as unknown as Record<string, unknown> & {
    onmessage: ((event: MessageEvent) => void) | null;
  };
  const { Request, Response, Headers, URL, ReadableStream, AbortController, TextEncoder, Promise } =
    globalThis;
  const { Error, TypeError, String, JSON, Object, Set, Map, structuredClone } = globalThis;
  const native = {
    setTimeout: globalThis.setTimeout.bind(globalThis),
    setInterval: globalThis.setInterval.bind(globalThis),
    clearTimeout: globalThis.clearTimeout.bind(globalThis),
  };
  const { timeOrigin } = performance;
  const sinceStart = performance.now.bind(performance);
  const now = (): number => timeOrigin + sinceStart();
  const place = { operation: () => 0 };
  const baseUrl = "http://policy.local/v1";
  const encoder = new TextEncoder();
  // Read through the getter as it was: one that the agent puts in its place would get hold of the port.
  const readData = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "data")!.get!;
  const call = Function.prototype.call.bind(Function.prototype.call) as (
    method: () => unknown,
    receiver: unknown,
  ) => unknown;
  let post: (message: FromWorker) => void = () => undefined;
  let messages = 0;
  let bytes = 0;
  let run = 0;
  let running = false;
  let nextFetch = 1;
  let logs = 0;
  let spoilt = false;
  let abort = new AbortController();
  let failRun: (error: unknown) => void = () => undefined;
  const fetches = new Map<number, PendingFetch>();
  const timers = new Set<number>();

  const thrown = (error: unknown): { name: string; message: string; line: number } => {
    try {
      const { name, message, stack } = (error ?? {}) as Partial<Error>;
      const line = /fulgurite-cell\.js:(\d+)/.exec(String(stack))?.[1];
      return {
        name: typeof name === "string" ? name.slice(0, 100) : "Error",
        message: (typeof message === "string" ? message : String(error)).slice(0, 4000),
        line: line === undefined ? 0 : Number(line),
      };
    } catch {
      return { name: "Error", message: "something that cannot be shown was thrown", line: 0 };
    }
  };

  /** Everything of a run goes out here. A synchronous flood would drown the frame before the frame could end it. */
  function send(message: FromWorker): void {
    if (messages < 0 || bytes < 0) throw new Error("The attempt has sent more than it may.");
    messages--;
    bytes -= measure(message, bytes);
    if (messages >= 0 && bytes >= 0) {
      post(message);
      return;
    }
    const what = messages < 0 ? "messages" : "data";
    post({ kind: "flooded", run, message: `it sent more ${what} than an attempt may` });
    throw new Error("The attempt has sent more than it may.");
  }

  async function policyFetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const of = run;
    const operation = place.operation();
    let method = (init.method ?? "GET").toUpperCase();
    let headers = new Headers(init.headers);
    let body: string | null = null;
    let signal = init.signal ?? null;
    let url = input instanceof Request ? input.url : new URL(String(input), `${baseUrl}/`).href;
    if (input instanceof Request || (init.body != null && typeof init.body !== "string")) {
      const request = new Request(input instanceof Request ? input : url, init);
      ({ method, headers, signal, url } = request);
      body = method === "GET" || method === "HEAD" ? null : await request.text();
    } else {
      body = (init.body as string | null | undefined) ?? null;
    }
    signal?.throwIfAborted();
    const id = nextFetch++;
    return new Promise((resolve, reject) => {
      fetches.set(id, { resolve, reject, stream: null });
      const sent = { method, url, headers: Object.fromEntries(headers), body, operation };
      send({ kind: "fetch", run: of, fetch: id, ...sent });
      signal?.addEventListener("abort", () => {
        const pending = fetches.get(id);
        if (!pending) return;
        fetches.delete(id);
        send({ kind: "abort", run: of, fetch: id });
        if (pending.stream) pending.stream.error(signal.reason);
        else reject(signal.reason as Error);
      });
    });
  }

  function answer(message: Extract<ToWorker, { kind: "response" }>): void {
    const pending = fetches.get(message.fetch);
    if (!pending) return;
    const { status, headers, body } = message;
    if (body !== null) {
      fetches.delete(message.fetch);
      const empty = status === 204 || status === 205 || status === 304;
      pending.resolve(new Response(empty ? null : body, { status, headers }));
      return;
    }
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        pending.stream = controller;
      },
      cancel: () => {
        if (fetches.delete(message.fetch)) send({ kind: "abort", run, fetch: message.fetch });
      },
    });
    pending.resolve(new Response(stream, { status, headers }));
  }

  function end(message: Extract<ToWorker, { kind: "end" | "broken" }>): void {
    const pending = fetches.get(message.fetch);
    if (!pending) return;
    fetches.delete(message.fetch);
    if (message.kind === "end") pending.stream?.close();
    else if (pending.stream) pending.stream.error(new TypeError(message.message));
    else pending.reject(new TypeError(message.message));
  }

  /** Timers end with the rollout that set them. */
  function track<Handler extends (...args: unknown[]) => unknown>(
    set: (handler: () => void, delay?: number) => number,
    once: boolean,
  ) {
    return (handler: Handler, delay?: number, ...args: unknown[]): number => {
      const id: number = set(() => {
        if (once) timers.delete(id);
        handler(...args);
      }, delay);
      timers.add(id);
      return id;
    };
  }

  /** What an earlier rollout left running can no longer speak. */
  const emitters = () => {
    const of = run;
    const post = (message: FromWorker): void => {
      if (running && run === of) send(message);
    };
    return makeEmit(
      (span) => {
        post({ kind: "span", run: of, span, time: now() });
      },
      (name, value) => {
        post({ kind: "emit", run: of, name, value, time: now() });
      },
      place,
    );
  };

  const log = (level: string) => {
    return (...parts: readonly unknown[]): void => {
      if (!running || logs++ >= 200) return;
      const text = parts
        .map((part) => {
          try {
            return typeof part === "object" ? JSON.stringify(part) : String(part);
          } catch {
            return "[object]";
          }
        })
        .join(" ");
      send({ kind: "log", run, level, text: text.slice(0, 2000), time: now() });
    };
  };

  async function chat(messages: unknown, options: Record<string, unknown> = {}): Promise<string> {
    const list = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
    const { signal, ...fields } = options;
    const response = await policyFetch(`${baseUrl}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "policy", messages: list, ...fields }),
      signal: (signal as AbortSignal | undefined) ?? null,
    });
    const answered = (await response.json()) as {
      error?: { message: string };
      choices: { message: { content: string } }[];
    };
    if (answered.error) throw new Error(answered.error.message);
    return answered.choices[0]?.message.content ?? "";
  }

  const countGlobals = (): number => Reflect.ownKeys(globalThis).length;

  /** Ends what the rollout left running; true where nothing of it can be left. */
  function tidy(globals: number): boolean {
    abort.abort();
    const clean = fetches.size === 0 && !spoilt && countGlobals() === globals;
    for (const { reject, stream } of fetches.values()) {
      const error = new TypeError("The rollout has ended.");
      if (stream) stream.error(error);
      else reject(error);
    }
    fetches.clear();
    for (const id of timers) native.clearTimeout(id);
    timers.clear();
    return clean;
  }

  async function start(
    message: Extract<ToWorker, { kind: "run" }>,
    evaluate: (...values: readonly unknown[]) => unknown,
    values: readonly unknown[],
  ): Promise<void> {
    ({ run } = message);
    ({ messages, bytes } = message.allowance);
    running = true;
    logs = 0;
    spoilt = false;
    abort = new AbortController();
    const globals = countGlobals();
    const { randomSeed } = message;
    // A worker runs many attempts: each begins anew.
    if (randomSeed !== null) Math.random = seededRandom(randomSeed);
    let outcome: Extract<FromWorker, { kind: "result" | "threw" }>;
    try {
      const failed = new Promise<never>((_, reject) => {
        failRun = reject;
      });
      const agent = evaluate(...structuredClone(values)) as AgentFunction;
      if (typeof agent !== "function") throw new TypeError("The agent is not a function.");
      const llm = { baseURL: baseUrl, apiKey: "fulgurite", model: "policy", fetch: policyFetch, chat };
      const context = { ...message.identity, llm, emit: emitters(), signal: abort.signal };
      const value = await Promise.race([agent(message.task, context), failed]);
      outcome = { kind: "result", run, value, clean: false };
    } catch (error) {
      outcome = { kind: "threw", run, error: thrown(error), clean: false };
    }
    running = false;
    const clean = tidy(globals);
    try {
      send({ ...outcome, clean });
    } catch (error) {
      if (messages >= 0 && bytes >= 0) {
        post({ kind: "unclonable", run, message: thrown(error).message, clean });
      }
    }
  }

  scope.onmessage = ({ data, ports }: MessageEvent) => {
    scope.onmessage = null;
    const port = ports[0]!;
    post = port.postMessage.bind(port) as typeof post;
    const { values, environment } = data as WorkerStart;
    // The agent's code can reach the trainer through the runtime only.
    delete scope.postMessage;
    for (const name of [
      "Worker",
      "BroadcastChannel",
      "WebSocket",
      "EventSource",
      "XMLHttpRequest",
      "close",
    ]) {
      Reflect.deleteProperty(scope, name);
    }
    const define = (name: string, value: unknown): void => {
      Object.defineProperty(globalThis, name, {
        value,
        writable: true,
        configurable: true,
        enumerable: true,
      });
    };
    // openai >= 7 takes a realm with this mark for a server, where a key may be.
    define("EdgeRuntime", "fulgurite");
    define("process", { env: { ...environment } });
    define("fetch", policyFetch);
    define("setTimeout", track(native.setTimeout as never, true));
    define("setInterval", track(native.setInterval as never, false));
    define("defineAgent", (...args: readonly unknown[]) => args.at(-1));
    const levels = ["debug", "log", "info", "warn", "error"];
    const silent = Object.keys(globalThis.console).map((name) => [name, () => undefined]);
    define(
      "console",
      Object.fromEntries([...silent, ...levels.map((level) => [level, log(level)])] as [string, unknown][]),
    );
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      spoilt = true;
      failRun(event.error);
    });
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      spoilt = true;
    });
    let evaluate: (...values: readonly unknown[]) => unknown;
    try {
      evaluate = prepare();
    } catch (error) {
      post({ kind: "unprepared", error: thrown(error) });
      return;
    }
    port.onmessage = (event: MessageEvent) => {
      const message = call(readData as () => unknown, event) as ToWorker;
      switch (message.kind) {
        case "run":
          void start(message, evaluate, values);
          break;
        case "response":
          answer(message);
          break;
        case "chunk":
          fetches.get(message.fetch)?.stream?.enqueue(encoder.encode(message.text));
          break;
        case "end":
        case "broken":
          end(message);
          break;
        default:
          break;
      }
    };
    post({ kind: "ready" });
  };
}
