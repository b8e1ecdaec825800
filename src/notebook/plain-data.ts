import { Invalid } from "./validate.ts";

const MAX_DEPTH = 200;

/**
 * A fresh copy of cloneable data of any shape, or `Invalid` where it holds anything but texts, numbers, plain
 * objects, lists, maps, sets, dates, regular expressions and buffers, is nested deeper than 200, has a key that
 * could reach a prototype, or takes more than `maxBytes`: 8 a value, 2 a character, buffers as they are.
 */
export function copyPlainData(value: unknown, maxBytes: number): unknown {
  return new Copier(maxBytes).copy(value, 0);
}

class Copier {
  #left: number;
  /** Shared and circular objects stay so. */
  readonly #copies = new Map<object, object>();

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  #spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new Invalid("data size");
  }

  copy(value: unknown, depth: number): unknown {
    this.#spend(8);
    switch (typeof value) {
      case "string":
        this.#spend(2 * value.length);
        return value;
      case "bigint":
        this.#spend(64);
        if (value >= 1n << 512n || value <= -(1n << 512n)) throw new Invalid("large integer");
        return value;
      case "symbol":
      case "function":
        throw new Invalid(typeof value);
      case "object":
        return value === null ? null : (this.#copies.get(value) ?? this.#copyObject(value, depth + 1));
      default:
        return value;
    }
  }

  #copyObject(value: object, depth: number): object {
    if (depth > MAX_DEPTH) throw new Invalid("data depth");
    const keep = <T extends object>(copy: T): T => {
      this.#copies.set(value, copy);
      return copy;
    };
    if (Array.isArray(value)) {
      // Before anything of this length is made: a sparse list of 4 billion items costs its sender nothing.
      this.#spend(8 * value.length);
      const copy = keep(new Array<unknown>(value.length));
      for (let i = 0; i < value.length; i++) copy[i] = this.copy(value[i], depth);
      return copy;
    }
    if (ArrayBuffer.isView(value)) {
      if (!(value.buffer instanceof ArrayBuffer)) throw new Invalid("shared buffer");
      this.#spend(value.buffer.byteLength);
      return keep(structuredClone(value));
    }
    if (value instanceof Map) {
      const copy = keep(new Map<unknown, unknown>());
      for (const [key, item] of value) copy.set(this.copy(key, depth), this.copy(item, depth));
      return copy;
    }
    if (value instanceof Set) {
      const copy = keep(new Set<unknown>());
      for (const item of value) copy.add(this.copy(item, depth));
      return copy;
    }
    switch (Object.prototype.toString.call(value)) {
      case "[object Object]": {
        if (!isPlain(value)) throw new Invalid("object");
        const copy: Record<string, unknown> = keep({});
        for (const key in value) {
          if (!Object.hasOwn(value, key)) continue;
          if (key === "__proto__") throw new Invalid("key");
          this.#spend(2 * key.length);
          copy[key] = this.copy((value as Record<string, unknown>)[key], depth);
        }
        return copy;
      }
      case "[object Date]":
        return keep(new Date((value as Date).getTime()));
      case "[object RegExp]":
        this.#spend(2 * (value as RegExp).source.length);
        return keep(new RegExp((value as RegExp).source, (value as RegExp).flags));
      case "[object ArrayBuffer]":
        this.#spend((value as ArrayBuffer).byteLength);
        return keep((value as ArrayBuffer).slice(0));
      default:
        throw new Invalid("object");
    }
  }
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
