/** What an agent's emitters send: plain data, from code that is not trusted. */
export interface EmittedSpan {
  /** "operation" begins one, "input" says what it was given, "end" and "failed" end it. */
  readonly type:
    "reward" | "message" | "object" | "exception" | "annotation" | "operation" | "input" | "end" | "failed";
  /** Number of the operation that begins, from 1; else 0. */
  readonly number: number;
  /** Number of the operation around it, or that it is about; 0 for none. */
  readonly parent: number;
  readonly name: string;
  readonly value: unknown;
  readonly tags: readonly string[];
  readonly links: readonly (readonly [key: string, value: string])[];
  /** Name of the reward that counts; null where there is one only. */
  readonly primary: string | null;
}

const types: readonly unknown[] = [
  "reward",
  "message",
  "object",
  "exception",
  "annotation",
  "operation",
  "input",
  "end",
  "failed",
];

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;
const isText = (value: unknown): value is string => typeof value === "string" && value.length <= 4096;

/** True for what has the right shape; its value may be anything cloneable. */
export function isEmittedSpan(value: unknown): value is EmittedSpan {
  if (typeof value !== "object" || value === null) return false;
  const { type, number, parent, name, tags, links, primary } = value as Readonly<Record<string, unknown>>;
  return (
    types.includes(type) &&
    isCount(number) &&
    isCount(parent) &&
    isText(name) &&
    Array.isArray(tags) &&
    tags.length <= 100 &&
    tags.every(isText) &&
    Array.isArray(links) &&
    links.length <= 100 &&
    links.every((link) => Array.isArray(link) && link.length === 2 && link.every(isText)) &&
    (primary === null || isText(primary))
  );
}
