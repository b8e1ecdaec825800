/** What an address answered, in a form that can be cloned. */
export interface Reached {
  readonly status: number;
  readonly body: Uint8Array;
}

const MAX_BYTES = 64_000_000;

/**
 * Reads an address that the person opened a notebook by: the page's own policy lets it reach none. No cookies, no
 * referrer. Throws where it is neither http nor https, or answers with more than 64 MB.
 */
export async function reach(url: string): Promise<Reached> {
  if (!/^https?:$/.test(new URL(url).protocol))
    throw new TypeError("Only http and https addresses can be reached.");
  const response = await fetch(url, { credentials: "omit", referrerPolicy: "no-referrer" });
  const body = new Uint8Array(await response.arrayBuffer());
  if (body.length > MAX_BYTES)
    throw new RangeError(`The answer has ${body.length} bytes; at most ${MAX_BYTES} are read.`);
  return { status: response.status, body };
}
