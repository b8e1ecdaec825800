import type { AttributeValue } from "./records.ts";

// JSON has no NaN, infinities or -0. An attribute is never an object, so one stands for them.

export const isJsonNumber = (value: number): boolean => Number.isFinite(value) && !Object.is(value, -0);

/** A replacer for `JSON.stringify`. */
export const encodeValue = (_key: string, value: unknown): unknown =>
  typeof value === "number" && !isJsonNumber(value)
    ? { number: Object.is(value, -0) ? "-0" : String(value) }
    : value;

type Encoded = AttributeValue | { readonly number: string };

/** Attributes from what `encodeValue` made of them. */
export function decodeAttributes(encoded: Readonly<Record<string, Encoded>>): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  for (const key in encoded) {
    const value = encoded[key]!;
    attributes[key] = typeof value === "object" && value !== null ? Number(value.number) : value;
  }
  return attributes;
}
