import type { Segment } from "./storage.ts";

/** Bytes of a segment; with `tokens` and `texts`, of what lies apart too. Default both. */
export function segmentSize(
  { byteLength, tokens, texts }: Segment,
  parts: { readonly tokens: boolean; readonly texts: boolean } = { tokens: true, texts: true },
): number {
  let bytes = byteLength;
  for (const part of [parts.tokens ? tokens : null, parts.texts ? texts : null]) {
    if (!part) continue;
    if (!("chunks" in part)) bytes += part.byteLength;
    else for (const chunk of part.chunks) bytes += chunk.byteLength;
  }
  return bytes;
}
