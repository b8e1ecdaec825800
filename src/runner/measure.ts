/**
 * Bytes that a cloned value takes, roughly (8 a value, 2 a character, buffers as they are), counted no further than
 * `limit`: the walk of a hostile value ends. Self-contained, because runner frames get it as source.
 */
export function measure(value: unknown, limit: number): number {
  const seen = new Set<object>();
  const stack: unknown[] = [value];
  let bytes = 0;
  while (stack.length > 0 && bytes <= limit) {
    const next = stack.pop();
    bytes += 8;
    if (typeof next === "string") bytes += 2 * next.length;
    else if (typeof next === "bigint") bytes += 64;
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    if (next instanceof ArrayBuffer) bytes += next.byteLength;
    else if (ArrayBuffer.isView(next)) bytes += next.byteLength;
    else if (next instanceof Blob) bytes += next.size;
    else if (next instanceof Error) stack.push(next.message, next.stack, next.cause);
    else if (next instanceof Map) {
      for (const [key, entry] of next) {
        stack.push(key, entry);
        if ((bytes += 8) > limit) break;
      }
    } else if (next instanceof Set) {
      for (const entry of next) {
        stack.push(entry);
        if ((bytes += 8) > limit) break;
      }
    } else {
      for (const key in next) {
        stack.push((next as Record<string, unknown>)[key]);
        if ((bytes += 8 + 2 * key.length) > limit) break;
      }
    }
  }
  return bytes;
}
