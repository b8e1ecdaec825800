import { FulguriteError } from "../gpu/error.ts";
import type { Span } from "./records.ts";

/** Names of the spans that the store itself reads, for curves. */
export const spanNames = { update: "fulgurite.update", evaluation: "fulgurite.evaluation" } as const;

/** The id of a simulated run's span: the same update of the same run always has the same id. */
export const simulatedSpanId = (runId: string, sequence: number): string => `${runId}/${sequence}`;

/** Sequences are kept as signed 32-bit integers. */
const maxSequence = 2 ** 31 - 1;

const attributeTypes = ["string", "number", "boolean"];

/** Throws "store/invalid-span" for what a segment could not hold. */
export function checkSpan({ spanId, sequence, attributes }: Span): void {
  if (!Number.isInteger(sequence) || sequence < 0 || sequence > maxSequence) {
    throw new FulguriteError(
      "store/invalid-span",
      `Span ${spanId} has the sequence ${sequence}.`,
      `Give it a whole number from 0 to ${maxSequence}.`,
    );
  }
  for (const key in attributes) {
    const value: unknown = attributes[key];
    if (value === null || attributeTypes.includes(typeof value)) continue;
    throw new FulguriteError(
      "store/invalid-span",
      `Attribute ${key} of span ${spanId} is of type ${typeof value}.`,
      "Attributes are strings, numbers, booleans and null; write anything else as JSON.",
    );
  }
}

/** Rough bytes of a row on disk, for lists that say which run is large. */
export function estimateBytes(span: Span): number {
  let bytes = 160 + 2 * span.spanId.length;
  for (const key in span.attributes) {
    const value = span.attributes[key];
    bytes += key.length + (typeof value === "string" ? value.length + 4 : 10);
  }
  return bytes;
}
