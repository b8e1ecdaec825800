/**
 * How a value can reach a worker: "data" as a copy; "code" as source, being a function, a class, or plain objects,
 * lists, maps and sets that hold some; "none" not at all: instances of classes, promises, symbols.
 */
export function portability(value: unknown, seen = new Set<object>()): "data" | "code" | "none" {
  if (typeof value === "function") return "code";
  if (typeof value === "symbol") return "none";
  if (typeof value !== "object" || value === null || seen.has(value)) return "data";
  seen.add(value);
  if (isLeaf(value)) return "data";
  const children = childrenOf(value);
  if (!children) return "none";
  let worst: "data" | "code" = "data";
  for (const child of children) {
    const one = portability(child, seen);
    if (one === "none") return "none";
    if (one === "code") worst = "code";
  }
  return worst;
}

/** Exactly our own kinds: an instance of a class that extends them would lose its class. */
const isLeaf = (value: object): boolean => {
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (ArrayBuffer.isView(value)) return !value.constructor.toString().startsWith("class");
  return (
    prototype === Date.prototype || prototype === RegExp.prototype || prototype === ArrayBuffer.prototype
  );
};

function childrenOf(value: object): Iterable<unknown> | null {
  switch (Object.getPrototypeOf(value)) {
    case Array.prototype:
      return value as unknown[];
    case Map.prototype:
      return [...(value as Map<unknown, unknown>)].flat();
    case Set.prototype:
      return value as Set<unknown>;
    case Object.prototype:
    case null:
      return Object.values(value);
    default:
      return null;
  }
}

/** A value in a few words: "a Database", "a promise". */
export function describeValue(value: unknown): string {
  if (typeof value === "symbol") return "a symbol";
  if (value instanceof Promise) return "a promise";
  const name = (value as { constructor?: { name?: unknown } } | null)?.constructor?.name;
  return typeof name === "string" && name !== "" && name !== "Object" && name !== "Array"
    ? `a ${name.slice(0, 100)}`
    : "an object that holds more than plain data";
}
