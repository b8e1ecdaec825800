const arrays = { Float32Array, Float64Array, Int32Array, Uint32Array, Uint8Array };

/** JSON with `$type` for typed arrays, and for numbers and texts that JSON does not have. */
export function decodeGolden(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decodeGolden);
  if (typeof value !== "object" || value === null) return value;
  const { $type, base64, text } = value as { $type?: string; base64?: string; text?: string };
  if ($type === "number") return Number(text);
  if ($type === "string") return JSON.parse(text!);
  if ($type !== undefined) {
    const bytes = Uint8Array.from(atob(base64!), (character) => character.charCodeAt(0));
    return new arrays[$type as keyof typeof arrays](bytes.buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decodeGolden(inner)]));
}

/** The way back: one line of JSON. */
export const encodeGolden = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === "number" && (!Number.isFinite(inner) || Object.is(inner, -0)))
      return { $type: "number", text: Object.is(inner, -0) ? "-0" : String(inner) };
    // Half a surrogate pair: not every reader of JSON takes it.
    if (typeof inner === "string" && !inner.isWellFormed())
      return { $type: "string", text: JSON.stringify(inner) };
    if (!ArrayBuffer.isView(inner)) return inner;
    const bytes = new Uint8Array(inner.buffer, inner.byteOffset, inner.byteLength);
    const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    return { $type: inner.constructor.name, base64 };
  });
