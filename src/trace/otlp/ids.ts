const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += digits[byte]!;
  return text;
}

/** Bytes of a hexadecimal id. */
export function idBytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length >> 1 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

export const isTraceId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text) && !/^0+$/.test(text);
export const isSpanId = (text: string): boolean => /^[0-9a-f]{16}$/.test(text) && !/^0+$/.test(text);

const multipliers = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93];

/**
 * A hexadecimal id of `words` times 32 bits made from any text, never all zero: a multiplicative hash for each word, mixed
 * at the end as MurmurHash3 does. The same text always gives the same id.
 */
export function hashId(text: string, words: 2 | 4): string {
  let id = "";
  for (let word = 0; word < words; word++) {
    const multiplier = multipliers[word]!;
    let hash = 0x811c9dc5 ^ multiplier;
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), multiplier);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    id += ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, "0");
  }
  return /^0+$/.test(id) ? `${id.slice(0, -1)}1` : id;
}

/** A trace's id as OTLP wants it. */
export const traceIdFor = (text: string): string => (isTraceId(text) ? text : hashId(text, 4));

/** A span's id as OTLP wants it. */
export const spanIdFor = (text: string): string => (isSpanId(text) ? text : hashId(text, 2));
