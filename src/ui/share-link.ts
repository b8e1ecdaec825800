import { FulguriteError } from "../gpu/error.ts";

/** A notebook's text is never larger; what unpacks to more is no notebook. */
const MAX_BYTES = 4_000_000;
/** Longer links are cut by mail programs and chats. */
export const LONG_LINK = 8_000;

/** The text as the part of an address behind "#code=": deflated, base64url. */
export async function packText(text: string): Promise<string> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The other way. Throws `FulguriteError` (code "share/link") where it is none. */
export async function unpackText(packed: string): Promise<string> {
  const broken = (cause: unknown): FulguriteError =>
    new FulguriteError(
      "share/link",
      "This link does not hold a whole notebook.",
      "Ask for it again; a long link may have been cut on its way.",
      { cause },
    );
  try {
    const binary = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const reader = stream.getReader();
    let text = "";
    for (let total = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      total += value.length;
      if (total > MAX_BYTES) {
        await reader.cancel();
        throw new Error("too large");
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch (error) {
    throw broken(error);
  }
}
