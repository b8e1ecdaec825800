export interface PlainLimits {
  /** Values in all, those inside others counted; default 100,000. */
  readonly values?: number;
  /** Default 64. */
  readonly depth?: number;
}

const rest = "…";

/**
 * A cloneable value as JSON can say it. A hostile one can be small, and endless or immense once written out (circles, the
 * same object many times over), so what is beyond the limits is replaced by "…". Bytes and typed arrays become lists.
 */
export function plainValue(
  value: unknown,
  { values = 100_000, depth: most = 64 }: PlainLimits = {},
): unknown {
  let left = values;
  const visit = (inner: unknown, depth: number): unknown => {
    if (left-- <= 0) return rest;
    switch (typeof inner) {
      case "string":
      case "boolean":
        return inner;
      case "number":
        return Number.isFinite(inner) ? inner : String(inner);
      case "bigint":
        return String(inner);
      case "object":
        break;
      default:
        return null;
    }
    if (inner === null) return null;
    if (depth >= most) return rest;
    if (inner instanceof Date) return Number.isNaN(inner.getTime()) ? null : inner.toISOString();
    if (inner instanceof Error) return { name: inner.name, message: inner.message };
    if (inner instanceof ArrayBuffer) return list(new Uint8Array(inner), depth);
    if (ArrayBuffer.isView(inner)) {
      return list(inner instanceof DataView ? new Uint8Array(inner.buffer) : (inner as Uint8Array), depth);
    }
    if (Array.isArray(inner) || inner instanceof Map || inner instanceof Set) {
      return list(inner as Iterable<unknown>, depth);
    }
    const entries: [string, unknown][] = [];
    for (const key of Object.keys(inner)) {
      if (left <= 0) break;
      entries.push([key, visit((inner as Readonly<Record<string, unknown>>)[key], depth + 1)]);
    }
    return Object.fromEntries(entries);
  };
  const list = (items: Iterable<unknown>, depth: number): unknown[] => {
    const copied: unknown[] = [];
    for (const item of items) {
      copied.push(visit(item, depth + 1));
      if (left <= 0) break;
    }
    return copied;
  };
  return visit(value, 0);
}
