import { FulguriteError } from "../gpu/error.ts";
import type { Span, TokenColumns } from "./records.ts";

/** Names of the spans that the store itself reads, for curves. */
export const spanNames = {
  update: "fulgurite.update",
  evaluation: "fulgurite.evaluation",
  agenticUpdate: "fulgurite.agentic.update",
  agenticEvaluation: "fulgurite.agentic.evaluation",
  supervisedUpdate: "fulgurite.supervised.update",
  supervisedEvaluation: "fulgurite.supervised.evaluation",
} as const;

/** The id of a simulated run's span: the same update of the same run always has the same id. */
export const simulatedSpanId = (runId: string, sequence: number): string => `${runId}/${sequence}`;

/** The id of a run's rollout. */
export const rolloutIdOf = (runId: string, number: number): string => `${runId}/${number}`;

/** Number of a run's rollout; -1 for no rollout, and for one that is not numbered within the run. */
export function rolloutNumberOf(runId: string, rolloutId: string | null): number {
  if (!rolloutId?.startsWith(runId)) return -1;
  const number = Number(rolloutId.slice(runId.length + 1));
  return isCount(number) && rolloutIdOf(runId, number) === rolloutId ? number : -1;
}

/** The id of a rollout's span: the same work done again in the same attempt always has the same id. */
export const rolloutSpanId = (rolloutId: string, attempt: number, sequence: number): string =>
  `${rolloutId}/${attempt}/${sequence}`;

/** What no two spans of a run have in common: ids that others chose count within their attempt only. */
export const spanKey = (spanId: string, rolloutId: string | null, attemptId: string | null): string =>
  rolloutId === null || spanId.startsWith(`${rolloutId}/`)
    ? spanId
    : `${spanId}\n${rolloutId}\n${attemptId ?? ""}`;

/** Sequences are kept as signed 32-bit integers. */
const maxSequence = 2 ** 31 - 1;

export const isCount = (value: number): boolean =>
  Number.isInteger(value) && value >= 0 && value <= maxSequence;

const attributeTypes = ["string", "number", "boolean"];

/** Throws "store/invalid-span" for what a segment could not hold. */
export function checkSpan({ spanId, sequence, attributes, tokens }: Span): void {
  if (!isCount(sequence)) {
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
  if (tokens) checkTokens(spanId, tokens);
}

function checkTokens(spanId: string, tokens: TokenColumns): void {
  const { promptIds, responseIds, samplerLogProbabilities, logProbabilities } = tokens;
  const wrong = !(promptIds instanceof Int32Array && responseIds instanceof Int32Array)
    ? "ids that are no Int32Array"
    : !(samplerLogProbabilities instanceof Float32Array && logProbabilities instanceof Float32Array)
      ? "log-probabilities that are no Float32Array"
      : samplerLogProbabilities.length !== responseIds.length ||
          logProbabilities.length !== responseIds.length
        ? `${responseIds.length} response ids, but ${samplerLogProbabilities.length} and ${logProbabilities.length} log-probabilities`
        : null;
  if (!wrong) return;
  throw new FulguriteError(
    "store/invalid-span",
    `Span ${spanId} has ${wrong}.`,
    "Give each response id its log-probability under the sampler and under the policy.",
  );
}

/** Rough bytes of a row on disk, for lists that say which run is large. */
export function estimateBytes(span: Span): number {
  let bytes = 160 + 2 * span.spanId.length;
  for (const key in span.attributes) {
    const value = span.attributes[key];
    bytes += key.length + (typeof value === "string" ? value.length + 4 : 10);
  }
  if (span.tokens) bytes += 4 * span.tokens.promptIds.length + 12 * span.tokens.responseIds.length;
  return bytes;
}
