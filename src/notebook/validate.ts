/**
 * Readers of untrusted data. Each takes a value of any shape and returns a fresh, checked copy of what it knows,
 * or throws `Invalid`; unknown keys are dropped. Input is the result of a structured clone: plain data without
 * getters, but with any keys, `__proto__` among them.
 */
export type Reader<T> = (value: unknown) => T;

/** Thrown by a reader; the message names the path for a log and is never shown to a person. */
export class Invalid extends Error {}

const fail = (what: string): never => {
  throw new Invalid(what);
};

/** A text of at most `max` UTF-16 units. */
export const text =
  (max: number): Reader<string> =>
  (value) =>
    typeof value === "string" && value.length <= max ? value : fail("text");

export const boolean: Reader<boolean> = (value) => (typeof value === "boolean" ? value : fail("boolean"));

/** Any number; NaN and infinities included. */
export const number: Reader<number> = (value) => (typeof value === "number" ? value : fail("number"));

export const finite: Reader<number> = (value) =>
  typeof value === "number" && Number.isFinite(value) ? value : fail("finite number");

export const whole =
  (max: number): Reader<number> =>
  (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max
      ? value
      : fail("whole number");

export const oneOf =
  <const T extends string>(...allowed: readonly T[]): Reader<T> =>
  (value) =>
    (allowed as readonly unknown[]).includes(value) ? (value as T) : fail(`one of ${allowed.join(", ")}`);

export const nullable =
  <T>(read: Reader<T>): Reader<T | null> =>
  (value) =>
    value === null ? null : read(value);

/** A list of at most `max` items. */
export const list =
  <T>(read: Reader<T>, max: number): Reader<T[]> =>
  (value) =>
    Array.isArray(value) && value.length <= max
      ? Array.from(value, (item: unknown) => read(item))
      : fail("list");

const isPlain = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An object with exactly the given fields in its copy; each must be an own property. */
export const object =
  <T extends object>(fields: { readonly [K in keyof T]: Reader<T[K]> }): Reader<T> =>
  (value) => {
    if (!isPlain(value)) return fail("object");
    const copy: Partial<T> = {};
    for (const key of Object.keys(fields) as (keyof T & string)[]) {
      if (!Object.hasOwn(value, key)) fail(key);
      copy[key] = fields[key]((value as Record<string, unknown>)[key]);
    }
    return copy as T;
  };

/** A dictionary of at most `max` names; names that could reach a prototype are refused. */
export const dictionary =
  <T>(read: Reader<T>, max: number): Reader<Record<string, T>> =>
  (value) => {
    if (!isPlain(value)) return fail("dictionary");
    const keys = Object.keys(value);
    if (keys.length > max) fail("dictionary size");
    const copy: Record<string, T> = {};
    for (const key of keys) {
      if (!/^[A-Za-z_$][\w$]{0,99}$/.test(key) || key === "__proto__") fail("dictionary key");
      copy[key] = read((value as Record<string, unknown>)[key]);
    }
    return copy;
  };

/** An object told apart by its `tag` field. */
export const union =
  <K extends string, T extends { readonly [P in K]: string }>(
    tag: K,
    readers: { readonly [V in T[K]]: Reader<Extract<T, { readonly [P in K]: V }>> },
  ): Reader<T> =>
  (value) => {
    if (!isPlain(value) || !Object.hasOwn(value, tag)) return fail(tag);
    const name = (value as Record<string, unknown>)[tag];
    if (typeof name !== "string" || !Object.hasOwn(readers, name)) return fail(`${tag} ${String(name)}`);
    return (readers as Record<string, Reader<T>>)[name]!(value);
  };
