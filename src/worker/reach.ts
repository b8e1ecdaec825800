/** What the network answered, in a form that can be cloned. */
export interface Reached {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

export interface ReachOptions {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string | null;
}

const MAX_BYTES = 64_000_000;

/**
 * Reaches an address for the page, whose own policy lets it reach none. The page asks only for what the person
 * opened by its address, and for hosts that they granted a notebook: the gate stands there. No cookies, no referrer.
 */
export async function reach(
  url: string,
  { method = "GET", headers = [], body = null }: ReachOptions,
): Promise<Reached> {
  if (!/^https?:$/.test(new URL(url).protocol))
    throw new TypeError("Only http and https addresses can be reached.");
  const response = await fetch(url, {
    method,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
    body,
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length > MAX_BYTES)
    throw new RangeError(`The answer has ${bytes.length} bytes; at most ${MAX_BYTES} are read.`);
  return {
    status: response.status,
    statusText: response.statusText,
    headers: [...response.headers],
    body: bytes,
  };
}
