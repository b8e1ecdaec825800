import { FulguriteError } from "../gpu/error.ts";
import { formatText } from "./inspect.ts";

/** What `expect(value)` can say of a value; each throws a `FulguriteError` "notebook/expectation" where it is not so. */
export interface Expectation {
  toBe(expected: unknown): void;
  /** Equal in depth: plain objects, lists, maps, sets, dates and typed arrays. */
  toEqual(expected: unknown): void;
  /** Differs by less than half of 10^-digits; default 2 digits. */
  toBeCloseTo(expected: number, digits?: number): void;
  toBeGreaterThan(least: number): void;
  toBeGreaterThanOrEqual(least: number): void;
  toBeLessThan(most: number): void;
  toBeLessThanOrEqual(most: number): void;
  /** A part of a text, or an item of a list, by `toEqual`. */
  toContain(part: unknown): void;
  toMatch(pattern: RegExp): void;
  toBeTruthy(): void;
  toBeDefined(): void;
  /** Of a function: that it throws, and, where given, that the message contains or matches this. */
  toThrow(message?: string | RegExp): void;
  readonly not: Omit<Expectation, "not">;
}

/** The assertions of test cells: the best known few of Jest's and Vitest's, with the same meaning. */
export const expect = (value: unknown): Expectation => expectation(value, false);

function expectation(value: unknown, negated: boolean): Expectation {
  const check = (holds: boolean, what: string): void => {
    if (holds !== negated) return;
    throw new FulguriteError(
      "notebook/expectation",
      `Expected ${formatText(value).slice(0, 500)} ${negated ? "not " : ""}${what}.`,
      "Correct the code that it tests, or the test.",
    );
  };
  const compare = (words: string, than: number, holds: (a: number) => boolean): void => {
    check(typeof value === "number" && holds(value), `to be ${words} ${than}`);
  };
  return {
    toBe: (expected) => {
      check(Object.is(value, expected), `to be ${formatText(expected)}`);
    },
    toEqual: (expected) => {
      check(equal(value, expected), `to equal ${formatText(expected)}`);
    },
    toBeCloseTo: (expected, digits = 2) => {
      const near = typeof value === "number" && Math.abs(value - expected) < 10 ** -digits / 2;
      check(near || Object.is(value, expected), `to be ${expected} to ${digits} digits`);
    },
    toBeGreaterThan: (least) => {
      compare("greater than", least, (a) => a > least);
    },
    toBeGreaterThanOrEqual: (least) => {
      compare("at least", least, (a) => a >= least);
    },
    toBeLessThan: (most) => {
      compare("less than", most, (a) => a < most);
    },
    toBeLessThanOrEqual: (most) => {
      compare("at most", most, (a) => a <= most);
    },
    toContain: (part) => {
      const holds =
        typeof value === "string" && typeof part === "string"
          ? value.includes(part)
          : isIterable(value) && [...value].some((item) => equal(item, part));
      check(holds, `to contain ${formatText(part)}`);
    },
    toMatch: (pattern) => {
      check(typeof value === "string" && pattern.test(value), `to match ${String(pattern)}`);
    },
    toBeTruthy: () => {
      check(Boolean(value), "to be truthy");
    },
    toBeDefined: () => {
      check(value !== undefined, "to be defined");
    },
    toThrow: (message) => {
      const thrown = messageOf(value);
      const fits =
        thrown !== null &&
        (message === undefined ||
          (typeof message === "string" ? thrown.includes(message) : message.test(thrown)));
      check(fits, `to throw${message === undefined ? "" : ` ${String(message)}`}`);
    },
    get not() {
      return expectation(value, !negated);
    },
  };
}

function messageOf(value: unknown): string | null {
  try {
    (value as () => unknown)();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.iterator in value;

/** Whether two values are equal in depth; cycles are compared by what has been seen. */
export function equal(a: unknown, b: unknown, seen = new Map<object, unknown>()): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date) return a.getTime() === (b as Date).getTime();
  if (a instanceof RegExp) return String(a) === String(b);
  if (a instanceof Error) return a.name === (b as Error).name && a.message === (b as Error).message;
  if (a instanceof Map || a instanceof Set) {
    return a.size === (b as typeof a).size && equal([...a], [...(b as typeof a)], seen);
  }
  const [keys, others] = [Object.keys(a), Object.keys(b)];
  return (
    keys.length === others.length &&
    keys.every(
      (key) =>
        Object.hasOwn(b, key) &&
        equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key], seen),
    )
  );
}
