/**
 * The same value with arrays that own all of their bytes, and the bytes of all arrays: a view on a larger buffer
 * would store all of the buffer, and one on shared memory cannot be stored. Looks into plain objects.
 */
export function ownArrays<Value extends object>(
  value: Value,
): { readonly value: Value; readonly bytes: number } {
  let bytes = 0;
  const walk = (inner: unknown): unknown => {
    if (inner instanceof Float32Array || inner instanceof Int32Array || inner instanceof Uint32Array) {
      bytes += inner.byteLength;
      const whole = inner.buffer instanceof ArrayBuffer && inner.byteLength === inner.buffer.byteLength;
      return whole ? inner : inner.slice();
    }
    if (typeof inner !== "object" || inner === null || Object.getPrototypeOf(inner) !== Object.prototype)
      return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, part]) => [key, walk(part)]));
  };
  return { value: walk(value) as Value, bytes };
}
