import type { ValueNode } from "./session-types.ts";

export interface InspectLimits {
  /** Levels of objects in objects. */
  readonly depth: number;
  /** Entries shown of one object. */
  readonly entries: number;
  /** Characters shown of one text. */
  readonly characters: number;
  /** Nodes in all. */
  readonly nodes: number;
}

const DEFAULT_LIMITS: InspectLimits = { depth: 5, entries: 100, characters: 10_000, nodes: 5_000 };

/** A value as a bounded tree of plain data, for the inspector. Never runs a getter and never throws. */
export function inspect(value: unknown, limits: InspectLimits = DEFAULT_LIMITS): ValueNode {
  return new Inspector(limits).node(value, 0);
}

/** A value as one line or a few, as `console.log` shows it. */
export function formatText(value: unknown): string {
  if (typeof value === "string") return value;
  return formatNode(inspect(value, { depth: 3, entries: 20, characters: 1_000, nodes: 200 }));
}

/** A value tree as one line. */
export function formatNode(node: ValueNode): string {
  if (node.kind === "primitive") return node.text;
  const isList = node.type.endsWith(")");
  const parts = node.entries.map(([key, child]) =>
    isList && /^\d+$/.test(key) ? formatNode(child) : `${key}: ${formatNode(child)}`,
  );
  if (node.more > 0) parts.push(`... ${node.more} more`);
  const body = parts.join(", ");
  if (node.type.startsWith("Array(")) return `[${body}]`;
  return `${node.type === "Object" ? "" : `${node.type} `}{${body === "" ? "" : ` ${body} `}}`;
}

class Inspector {
  readonly #limits: InspectLimits;
  readonly #path: object[] = [];
  #left: number;

  constructor(limits: InspectLimits) {
    this.#limits = limits;
    this.#left = limits.nodes;
  }

  node(value: unknown, depth: number): ValueNode {
    this.#left--;
    try {
      return (typeof value === "object" && value !== null) || typeof value === "function"
        ? this.#object(value, depth)
        : primitive(value, this.#limits.characters);
    } catch {
      // A proxy may throw from any of its traps.
      return { kind: "primitive", type: "unknown", text: "(cannot be shown)" };
    }
  }

  #object(value: object, depth: number): ValueNode {
    if (typeof value === "function") {
      const name = Object.getOwnPropertyDescriptor(value, "name")?.value as unknown;
      const shown = typeof name === "string" && name !== "" ? name.slice(0, 100) : "anonymous";
      return { kind: "primitive", type: "function", text: `function ${shown}` };
    }
    if (value instanceof Error) {
      return { kind: "primitive", type: "error", text: this.#cut(`${value.name}: ${value.message}`) };
    }
    if (value instanceof Date) {
      const time = value.getTime();
      return {
        kind: "primitive",
        type: "date",
        text: Number.isNaN(time) ? "Invalid Date" : value.toISOString(),
      };
    }
    if (value instanceof RegExp) {
      return { kind: "primitive", type: "regexp", text: this.#cut(String(value)) };
    }
    const type = typeOf(value);
    if (this.#path.includes(value))
      return { kind: "primitive", type: "circular", text: `(circular ${type})` };
    if (depth >= this.#limits.depth || this.#left <= 0) {
      return { kind: "object", type, entries: [], more: entryCount(value) };
    }
    this.#path.push(value);
    const entries: (readonly [string, ValueNode])[] = [];
    for (const [key, child] of entriesOf(value)) {
      if (entries.length >= this.#limits.entries || this.#left <= 0) break;
      entries.push([this.#cut(key), this.node(child, depth + 1)]);
    }
    this.#path.pop();
    return { kind: "object", type, entries, more: Math.max(0, entryCount(value) - entries.length) };
  }

  #cut(text: string): string {
    return cut(text, this.#limits.characters);
  }
}

const cut = (text: string, characters: number): string =>
  text.length <= characters
    ? text
    : `${text.slice(0, characters)}... ${text.length - characters} more characters`;

function primitive(value: unknown, characters: number): ValueNode {
  if (typeof value === "string") {
    return { kind: "primitive", type: "string", text: JSON.stringify(cut(value, characters)) };
  }
  if (value === null) return { kind: "primitive", type: "null", text: "null" };
  if (value === accessor) return { kind: "primitive", type: "accessor", text: "(getter)" };
  const text = Object.is(value, -0) ? "-0" : typeof value === "bigint" ? `${value}n` : String(value);
  return { kind: "primitive", type: typeof value, text: cut(text, characters) };
}

type List = ArrayLike<unknown>;
const isList = (value: object): value is List & object =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

function typeOf(value: object): string {
  const prototype = Object.getPrototypeOf(value) as object | null;
  const descriptor = prototype && Object.getOwnPropertyDescriptor(prototype, "constructor");
  const constructor = descriptor?.value as unknown;
  const name = typeof constructor === "function" ? constructor.name.slice(0, 100) : "Object";
  return isList(value) ? `${name}(${value.length})` : name || "Object";
}

function entryCount(value: object): number {
  if (value instanceof Map || value instanceof Set) return value.size;
  return isList(value) ? value.length : Object.keys(value).length;
}

const accessor = Symbol("accessor");

function* entriesOf(value: object): Generator<readonly [string, unknown]> {
  if (value instanceof Map) {
    for (const [key, child] of value) yield [formatKey(key), child];
  } else if (value instanceof Set) {
    let index = 0;
    for (const child of value) yield [String(index++), child];
  } else if (isList(value)) {
    for (let i = 0; i < value.length; i++) yield [String(i), value[i]];
  } else {
    for (const key of Object.keys(value)) {
      const descriptor = Object.getOwnPropertyDescriptor(value, key);
      yield [key, descriptor && "value" in descriptor ? descriptor.value : accessor];
    }
  }
}

const formatKey = (key: unknown): string =>
  typeof key === "object" && key !== null ? typeOf(key) : typeof key === "symbol" ? "symbol" : String(key);
