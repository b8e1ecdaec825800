/** Inclusive range of bytes. */
export type ByteRange = readonly [low: number, high: number];

/** Sequences of byte ranges that together encode the code points low to high, surrogates left out. */
export function utf8Ranges(low: number, high: number): ByteRange[][] {
  const found: ByteRange[][] = [];
  for (const [from, to] of [
    [0, 0x7f],
    [0x80, 0x7ff],
    [0x800, 0xd7ff],
    [0xe000, 0xffff],
    [0x10000, 0x10ffff],
  ] as const) {
    const [begin, end] = [Math.max(low, from), Math.min(high, to)];
    if (begin <= end) found.push(...split(encode(begin), encode(end)));
  }
  return found;
}

const encoder = new TextEncoder();
const encode = (codePoint: number): number[] => [...encoder.encode(String.fromCodePoint(codePoint))];

/** Ranges between two encodings of the same length: what differs first decides, the rest is free in between. */
function split(low: readonly number[], high: readonly number[]): ByteRange[][] {
  const [first, ...lowRest] = low as [number, ...number[]];
  const [last, ...highRest] = high as [number, ...number[]];
  if (lowRest.length === 0) return [[[first, last]]];
  if (first === last) return split(lowRest, highRest).map((rest) => [[first, first], ...rest]);
  const least = lowRest.map(() => 0x80);
  const most = highRest.map(() => 0xbf);
  const found: ByteRange[][] = [];
  const lowFree = lowRest.every((byte) => byte === 0x80);
  const highFree = highRest.every((byte) => byte === 0xbf);
  if (!lowFree) found.push(...split(lowRest, most).map((rest): ByteRange[] => [[first, first], ...rest]));
  const [begin, end] = [lowFree ? first : first + 1, highFree ? last : last - 1];
  if (begin <= end) found.push([[begin, end], ...least.map((byte): ByteRange => [byte, 0xbf])]);
  if (!highFree) found.push(...split(least, highRest).map((rest): ByteRange[] => [[last, last], ...rest]));
  return found;
}
