import { FulguriteError } from "../../gpu/error.ts";
import type { LightningStore } from "../../store/records.ts";
import { decodeOtlpProtobuf } from "../../trace/otlp/protobuf.ts";
import { routes, type Call } from "./routes.ts";
import { acceptsGzip, unzipped, zipped } from "./gzip.ts";
import { RestError } from "./validation.ts";
import { spanFromWire, wireFromOtlp } from "./wire-span.ts";

export interface StoreHandlerOptions {
  /** Pages that may call it from another origin ("*": any); default none. */
  readonly corsOrigins?: readonly string[];
  /** Milliseconds since the epoch; default the system's clock. */
  readonly now?: () => number;
  /** What statistics call the store; default the name that the original's in-memory store has. */
  readonly name?: string;
}

const prefix = "/v1/agl/";
const notThere = new Set(["/v1/metrics", "/v1/logs", "/v1/development/profiles"]);
const protobufType = "application/x-protobuf";
const methods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY";

const json = (status: number, body: unknown): Response =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** A `google.rpc.Status` with only its message: field 2, length-delimited. */
function statusMessage(message: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(message);
  const length: number[] = [];
  for (let rest = text.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Uint8Array.from([0x12, ...length, ...text]);
}

const protobuf = (status: number, message?: string): Response =>
  new Response(message === undefined ? new Uint8Array() : statusMessage(message), {
    status,
    headers: { "content-type": protobufType },
  });

/** What an error of the store is to a client of the original, which knows 500 and Python's names. */
function answerTo(error: unknown): Response {
  if (error instanceof RestError) return json(error.status, error.body);
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof FulguriteError ? error.code : "";
  if (code === "store/transition") return json(409, { detail: message });
  if (code.startsWith("store/invalid-")) return json(400, { detail: message });
  const type = code.startsWith("store/unknown-") ? "ValueError" : code || "Exception";
  return json(500, {
    detail: "Internal server error",
    error_type: type,
    traceback: `Traceback (most recent call last):\n${type}: ${message}`,
  });
}

/** Spans that name no rollout or attempt are passed over, as are those the store does not know. */
async function receiveTraces(store: LightningStore, request: Request, now: number): Promise<Response> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim() ?? "";
  if (type !== protobufType)
    return protobuf(400, `Unsupported Content-Type '${type}', expected '${protobufType}'`);
  let bytes: Uint8Array;
  try {
    bytes = await unzipped(request);
  } catch (error) {
    return protobuf(400, error instanceof RangeError ? error.message : "The body cannot be unzipped");
  }
  const { items, problems } = decodeOtlpProtobuf(bytes);
  const [problem] = problems;
  if (problem && items.length === 0) return protobuf(400, problem.message);
  for (const item of items) {
    const wire = wireFromOtlp(item);
    if (!wire) continue;
    await store.queue.addSpans([spanFromWire(wire, now)]).catch((error: unknown) => {
      if (!(error instanceof FulguriteError) || !error.code.startsWith("store/unknown-")) throw error;
    });
  }
  return protobuf(200);
}

function find(method: string, path: readonly string[]): Omit<Call, "store"> | "method" | null {
  let known = false;
  for (const route of routes) {
    if (route.path.length !== path.length) continue;
    const parameters: string[] = [];
    const matches = route.path.every((part, i) => {
      if (part !== "*") return part === path[i];
      parameters.push(path[i]!);
      return true;
    });
    if (!matches) continue;
    known = true;
    if (route.method === method) return { route, parameters };
  }
  return known ? "method" : null;
}

/**
 * Answers Agent Lightning v0.3's REST dialect (`/v1/agl/...`, and OTLP at `/v1/traces`) from a store of ours, in process:
 * tools written for the original work with it unchanged. Everything that the store has can be read; rollouts made
 * here belong to the run of rollouts from outside. It asks nobody who they are, as the original does not.
 */
export function createStoreHandler(
  store: LightningStore,
  options: StoreHandlerOptions = {},
): (request: Request) => Promise<Response> {
  const { corsOrigins = [], now = () => Date.now(), name = "InMemoryLightningStore" } = options;
  const startedAt = now();
  const allowed = (origin: string): boolean => corsOrigins.includes("*") || corsOrigins.includes(origin);

  const answer = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    if (notThere.has(url.pathname)) return new Response(null, { status: 501 });
    if (url.pathname === "/v1/traces") {
      if (request.method !== "POST") return json(405, { detail: "Method Not Allowed" });
      const response = await receiveTraces(store, request, now());
      return acceptsGzip(request.headers.get("accept-encoding")) ? zipped(response) : response;
    }
    const path = url.pathname.startsWith(prefix)
      ? url.pathname.slice(prefix.length).split("/").map(decodeURIComponent)
      : null;
    const call = path && find(request.method, path);
    if (!call) return json(404, { detail: "Not Found" });
    if (call === "method") return json(405, { detail: "Method Not Allowed" });
    const text = request.method === "GET" ? "" : await request.text();
    let body: unknown = null;
    try {
      if (text !== "") body = JSON.parse(text);
    } catch (error) {
      const ctx = { error: error instanceof Error ? error.message : String(error) };
      const issue = { type: "json_invalid", loc: ["body", 0], msg: "JSON decode error", input: {}, ctx };
      return json(422, { detail: [issue] });
    }
    const environment = { store, name, now: now(), uptime: now() - startedAt };
    const { route, parameters } = call;
    const result = await route.answer({ ...environment, parameters, query: url.searchParams, body });
    return json(route.status ?? 200, result);
  };

  return async (request) => {
    const origin = request.headers.get("origin");
    if (corsOrigins.length > 0 && request.method === "OPTIONS" && origin !== null)
      return preflight(request, origin, allowed(origin));
    const response = await answer(request).catch(answerTo);
    // The original's own failures pass by what would have added these.
    if (corsOrigins.length === 0 || response.status === 500) return response;
    response.headers.append("vary", "Origin");
    if (origin !== null && allowed(origin)) {
      response.headers.set("access-control-allow-origin", origin);
      response.headers.set("access-control-allow-credentials", "true");
    }
    return response;
  };
}

function preflight(request: Request, origin: string, allowed: boolean): Response {
  const headers = new Headers({
    vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network",
    "access-control-allow-methods": methods,
    "access-control-allow-credentials": "true",
    "content-type": "text/plain; charset=utf-8",
  });
  if (!allowed) return new Response("Disallowed CORS origin", { status: 400, headers });
  headers.set("access-control-allow-origin", origin);
  const asked = request.headers.get("access-control-request-headers");
  if (asked !== null) headers.set("access-control-allow-headers", asked);
  return new Response("OK", { status: 200, headers });
}
