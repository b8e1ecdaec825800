import type { GatewayResponse } from "../gateway/gateway-types.ts";
import { createEmit, type EmitPlace } from "../trace/emit.ts";
import type { AgentHost, AttemptEnd, AttemptRequest, HeardEmission } from "./agent-host.ts";
import type { AgentSource } from "./agent-source.ts";
import { deniedMessage, fetchRoute } from "./fetch-route.ts";
import { measure } from "./measure.ts";
import { seededRandom } from "./seeded-random.ts";

/** `async (task, context) => result`; see `AgentSource`. */
export type InProcessAgent = (task: unknown, context: unknown) => unknown;

export interface InProcessHostOptions {
  readonly source: AgentSource;
  /** Evaluates the code with these names in place of the globals, and gives the agent. In Node: `evaluateInNode`. */
  readonly evaluate: (source: AgentSource, globals: Readonly<Record<string, unknown>>) => InProcessAgent;
  /** Default 64. */
  readonly slots?: number;
}

/**
 * Runs agents in this very process: for trusted code and for tests. An attempt that does not heed its signal is
 * abandoned, not ended, and its later requests are refused.
 */
export function createInProcessAgentHost(options: InProcessHostOptions): AgentHost {
  const slots = options.slots ?? 64;
  let busy = 0;
  const queue: (() => void)[] = [];
  return {
    slots,
    async run(request) {
      if (busy >= slots) await new Promise<void>((resolve) => queue.push(resolve));
      else busy++;
      try {
        return await attempt(options, request);
      } finally {
        const next = queue.shift();
        if (next) next();
        else busy--;
      }
    },
    dispose: () => undefined,
  };
}

async function attempt(
  { source, evaluate }: InProcessHostOptions,
  request: AttemptRequest,
): Promise<AttemptEnd> {
  const abort = new AbortController();
  const failed = (reason: "threw" | "load-failed", error: unknown): AttemptEnd => {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { ok: false, reason, message, line: null };
  };
  const cancelled = new Promise<AttemptEnd>((resolve) => {
    const end = (): void => {
      abort.abort();
      resolve({ ok: false, reason: "cancelled", message: "the attempt was ended", line: null });
    };
    if (request.signal.aborted) end();
    else request.signal.addEventListener("abort", end, { once: true });
  });
  let flooded = (): void => undefined;
  const flood = new Promise<AttemptEnd>((resolve) => {
    flooded = () => {
      resolve({ ok: false, reason: "flooded", message: "it sent more than an attempt may", line: null });
    };
  });
  let { messages, bytes } = request.allowance;
  const spend = (value: unknown): boolean => {
    messages--;
    bytes -= measure(value, bytes);
    const within = messages >= 0 && bytes >= 0;
    if (!within) flooded();
    return within;
  };
  const emitted = (emission: HeardEmission): void => {
    if (!abort.signal.aborted && spend(emission.value)) request.onEmission(structuredClone(emission));
  };
  const place: EmitPlace = { operation: () => 0 };
  const emit = createEmit(
    (span) => {
      emitted({ kind: "span", name: span.type, value: span });
    },
    (name, value) => {
      emitted({ kind: "emit", name, value });
    },
    place,
  );
  const fetch = policyFetch(request, abort.signal, place, spend);
  let agent: InProcessAgent;
  try {
    agent = evaluate(
      { ...source, values: structuredClone(source.values) },
      {
        fetch,
        defineAgent: (...args: readonly unknown[]) => args.at(-1),
        ...(request.randomSeed !== null && { Math: seededMath(request.randomSeed) }),
      },
    );
    if (typeof agent !== "function") throw new TypeError("The agent is not a function.");
  } catch (error) {
    return failed("load-failed", error);
  }
  request.onStart();
  const chat = async (messages: unknown, options: Record<string, unknown> = {}): Promise<string> => {
    const list = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
    const body = JSON.stringify({ model: "policy", messages: list, ...options });
    const response = await fetch("/v1/chat/completions", { method: "POST", body });
    const answer = (await response.json()) as {
      readonly error?: { readonly message: string };
      readonly choices: readonly { readonly message: { readonly content: string } }[];
    };
    if (answer.error) throw new Error(answer.error.message);
    return answer.choices[0]?.message.content ?? "";
  };
  const baseURL = "http://policy.local/v1";
  const llm = { baseURL, apiKey: "fulgurite", model: "policy", fetch, chat };
  const context = { ...request.identity, llm, emit, signal: abort.signal };
  const work = (async (): Promise<AttemptEnd> => {
    let result: unknown;
    try {
      result = await agent(structuredClone(request.task), context);
    } catch (error) {
      return failed("threw", error);
    }
    if (!spend(result)) return flood;
    try {
      return { ok: true, result: structuredClone(result) };
    } catch (error) {
      return { ok: false, reason: "invalid-result", message: String(error), line: null };
    }
  })();
  const end = await Promise.race([work, cancelled, flood]);
  abort.abort();
  return end;
}

/** `Math` with a `random` of its own: attempts side by side share the global one. */
const seededMath = (seed: number): Math =>
  Object.create(Math, { random: { value: seededRandom(seed), writable: true } }) as Math;

/** A `fetch` that reaches the policy only. */
function policyFetch(
  request: AttemptRequest,
  ended: AbortSignal,
  place: EmitPlace,
  spend: (value: unknown) => boolean,
): typeof globalThis.fetch {
  return async (input, init) => {
    const operation = place.operation();
    const from = new Request(
      input instanceof Request ? input : new URL(String(input), "http://policy.local/v1/"),
      init,
    );
    ended.throwIfAborted();
    const route = fetchRoute(from.url);
    if (route === "denied") {
      request.onDenied(from.url);
      throw new TypeError(deniedMessage(from.url));
    }
    if (route === "empty") return new Response("");
    const body = from.method === "GET" ? null : await from.text();
    if (!spend(body)) throw new TypeError("The attempt has sent more than it may.");
    const signal = AbortSignal.any([ended, from.signal]);
    const headers = Object.fromEntries(from.headers);
    const asked = { method: from.method, path: from.url, headers, body };
    const answer = await request.onFetch(asked, signal, operation);
    signal.throwIfAborted();
    return response(answer);
  };
}

function response({ status, headers, body }: GatewayResponse): Response {
  if (typeof body === "string") return new Response(status === 204 ? null : body, { status, headers });
  const encoder = new TextEncoder();
  const iterator = body[Symbol.asyncIterator]();
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
    cancel: async () => {
      await iterator.return?.();
    },
  });
  return new Response(stream, { status, headers });
}
