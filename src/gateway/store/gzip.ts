/** Most bytes of a body once it is unzipped: a small one must not fill the memory. */
const mostBytes = 256 * 2 ** 20;

/** The body, unzipped where it says that it is zipped. Throws a `RangeError` beyond 256 MB, a `TypeError` where it is no gzip. */
export async function unzipped(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase();
  if (encoding !== "gzip" || !request.body) return new Uint8Array(await request.arrayBuffer());
  const reader = request.body.pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    if (length <= mostBytes) continue;
    await reader.cancel();
    throw new RangeError(`The body has more than ${mostBytes} bytes`);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/**
 * Does an `Accept-Encoding` take gzip? By name ("x-gzip" is the same), else by the star; a quality of 0 says no (RFC 9110,
 * 12.5.3). The original looks for the name only.
 */
export function acceptsGzip(header: string | null): boolean {
  const qualities = new Map<string, number>();
  for (const item of header?.split(",") ?? []) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => /^q\s*=/.test(parameter));
    qualities.set(name, quality === undefined ? 1 : Number(quality.slice(quality.indexOf("=") + 1)));
  }
  return (qualities.get("gzip") ?? qualities.get("x-gzip") ?? qualities.get("*") ?? 0) > 0;
}

/** The same answer, zipped. */
export function zipped(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("content-encoding", "gzip");
  headers.append("vary", "Accept-Encoding");
  const body = (response.body ?? new Blob([]).stream()).pipeThrough(new CompressionStream("gzip"));
  return new Response(body, { status: response.status, headers });
}
