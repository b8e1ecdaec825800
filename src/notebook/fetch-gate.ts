import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import type { HostMessage, KernelMessage } from "./protocol.ts";
import { hostOf } from "./host-of.ts";

type FetchMessage = Extract<KernelMessage, { kind: "fetch" }>;
type FetchAnswer = Extract<HostMessage, { kind: "response" | "refused" }>;

/** What the gate asks the outside for: `globalThis.fetch`, or a test's. */
export type OutsideFetch = (url: string, init: RequestInit) => Promise<Response>;

const MAX_IN_FLIGHT = 16;
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
/** Content types, lengths and limits; cookies never. */
const SHOWN_HEADERS =
  /^(?:content-(?:type|length|language)|date|etag|last-modified|retry-after|x-ratelimit-[\w-]+)$/;

/**
 * The one way from a notebook's cells to the network. It lets a request through where its host was granted, over
 * https or to this very machine, without cookies, referrer or redirects: a granted host that redirects could
 * otherwise carry what a cell knows to one that was not.
 */
export class FetchGate {
  readonly #fetch: OutsideFetch;
  readonly #isGranted: (host: string) => boolean;
  readonly #refused: (host: string) => void;
  readonly #inFlight = new Map<number, { readonly host: string; readonly controller: AbortController }>();

  constructor(options: {
    readonly fetch: OutsideFetch;
    readonly isGranted: (host: string) => boolean;
    /** Told of each host that was asked for without a grant. */
    readonly onRefused: (host: string) => void;
  }) {
    this.#fetch = options.fetch;
    this.#isGranted = options.isGranted;
    this.#refused = options.onRefused;
  }

  /** Answers a cell's request; never rejects. Null where it was aborted meanwhile. */
  async answer(message: FetchMessage): Promise<FetchAnswer | null> {
    const { request } = message;
    const controller = new AbortController();
    try {
      const host = this.#check(message);
      this.#inFlight.set(request, { host, controller });
      return await this.#reach(message, controller.signal);
    } catch (error) {
      if (controller.signal.aborted) return null;
      return { kind: "refused", request, error: asFulguriteError(error).toData() };
    } finally {
      this.#inFlight.delete(request);
    }
  }

  abort(request: number): void {
    this.#inFlight.get(request)?.controller.abort();
  }

  /** Ends what is under way; to one host, where it is given. */
  close(host?: string): void {
    for (const one of this.#inFlight.values())
      if (host === undefined || one.host === host) one.controller.abort();
  }

  #check({ url, request }: FetchMessage): string {
    const host = hostOf(url);
    if (host === null) {
      throw new FulguriteError(
        "notebook/address",
        `A cell cannot reach ${url.slice(0, 200)}.`,
        "Use a whole address that begins with https://.",
      );
    }
    if (!this.#isGranted(host)) {
      this.#refused(host);
      throw new FulguriteError(
        "notebook/not-granted",
        `This notebook may not reach ${host}.`,
        `Allow ${host} in the notebook's permissions, in a terminal with --allow-net ${host}; then run the cell again.`,
      );
    }
    const { protocol, hostname } = new URL(url);
    if (protocol !== "https:" && !/^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(hostname)) {
      throw new FulguriteError(
        "notebook/address",
        `A cell cannot reach ${host} over ${protocol.slice(0, -1)}.`,
        "Use https; other protocols only on this machine.",
      );
    }
    if (this.#inFlight.size >= MAX_IN_FLIGHT || this.#inFlight.has(request)) {
      throw new FulguriteError(
        "notebook/too-many-requests",
        `This notebook has ${MAX_IN_FLIGHT} requests under way.`,
        "Wait for some to end.",
      );
    }
    return host;
  }

  async #reach(
    { request, url, method, headers, body }: FetchMessage,
    signal: AbortSignal,
  ): Promise<FetchAnswer> {
    let response: Response;
    try {
      response = await this.#fetch(url, {
        method,
        headers: headers.map(([name, value]): [string, string] => [name, value]),
        ...(body === null ? {} : { body: body as BodyInit }),
        credentials: "omit",
        referrerPolicy: "no-referrer",
        redirect: "error",
        cache: "no-store",
        signal,
      });
    } catch (error) {
      throw new FulguriteError(
        "notebook/network",
        `${hostOf(url)} did not answer: ${error instanceof Error ? error.message : String(error)}.`,
        "Check the address, that the host allows other sites (CORS), and that it does not redirect.",
        { cause: error },
      );
    }
    const shown = [...response.headers].filter(([name]) => SHOWN_HEADERS.test(name));
    const { status, statusText } = response;
    return { kind: "response", request, status, statusText, headers: shown, body: await readBody(response) };
  }
}

async function readBody(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    chunks.push(part.value);
    length += part.value.length;
    if (length > MAX_RESPONSE_BYTES) {
      await reader?.cancel();
      throw new FulguriteError(
        "notebook/too-large",
        `The answer is longer than ${MAX_RESPONSE_BYTES / 1024 / 1024} MB.`,
        "Ask for less.",
      );
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
