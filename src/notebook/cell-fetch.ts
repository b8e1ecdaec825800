import type { KernelRequests } from "./kernel-requests.ts";

/**
 * `fetch` as cells have it in the sandbox, whose policy lets nothing out: each request goes to the host's gate, and
 * the whole answer comes back at once. Rejects with "notebook/not-granted" where the person has not granted the
 * host. Relative addresses have nothing to be relative to.
 */
export function createCellFetch(requests: KernelRequests): typeof fetch {
  return async (input, init) => {
    const { url, method, headers, body, signal } = await read(input, init);
    const answer = await requests.ask({ kind: "fetch", url, method, headers, body }, signal);
    const { status, statusText } = answer;
    // These have no body, and `Response` insists.
    const empty = status === 204 || status === 205 || status === 304;
    const response = new Response(empty ? null : answer.body, {
      status,
      statusText,
      headers: answer.headers.map(([name, value]): [string, string] => [name, value]),
    });
    Object.defineProperty(response, "url", { value: url });
    return response;
  };
}

interface Asked {
  readonly url: string;
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer> | null;
  readonly signal: AbortSignal | null;
}

async function read(input: RequestInfo | URL, init?: RequestInit): Promise<Asked> {
  const text = input instanceof Request ? input.url : String(input);
  // `Request` would resolve this against the worker's own address; the gate says it better.
  if (!/^[a-z][a-z0-9+.-]*:/i.test(text)) {
    return { url: text, method: "GET", headers: [], body: null, signal: null };
  }
  const request = new Request(input, init);
  const method = request.method.toUpperCase() as Asked["method"];
  const hasBody = method !== "GET" && method !== "HEAD";
  const bytes = hasBody ? new Uint8Array(await request.arrayBuffer()) : null;
  return {
    url: text,
    method,
    headers: [...request.headers],
    body: bytes?.length ? bytes : null,
    signal: init?.signal ?? (input instanceof Request ? input.signal : null),
  };
}
