import { isEmittedSpan } from "../trace/emitted-span.ts";
import type { FromFrame, FromWorker, Score, ThrownData } from "./protocol.ts";

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
const isText = (value: unknown, most = 4096): value is string =>
  typeof value === "string" && value.length <= most;
const isThrown = (value: unknown): value is ThrownData =>
  isFields(value) && isText(value.name) && isText(value.message, 65_536) && isCount(value.line);
const isTexts = (value: unknown): value is Record<string, string> =>
  isFields(value) && Object.values(value).every((entry) => isText(entry, 65_536));
const isScore = (value: unknown): value is Score =>
  typeof value === "number" || (Array.isArray(value) && value.every((entry) => typeof entry === "number"));
const isScores = (value: unknown): boolean => isFields(value) && Object.values(value).every(isScore);
const isWeights = (value: unknown): boolean =>
  isFields(value) && Object.values(value).every((entry) => typeof entry === "number");

/** The fields that each kind must have; a message with any other kind or field type is refused whole. */
const shapes: {
  readonly [Kind in FromWorker["kind"]]: Readonly<Record<string, (value: unknown) => boolean>>;
} = {
  ready: {},
  unprepared: { error: isThrown },
  fetch: {
    run: isCount,
    fetch: isCount,
    method: (value) => isText(value, 16),
    url: isText,
    headers: isTexts,
    body: (value) => value === null || typeof value === "string",
    operation: isCount,
  },
  abort: { run: isCount, fetch: isCount },
  emit: { run: isCount, name: isText, value: () => true, time: Number.isFinite },
  span: { run: isCount, span: isEmittedSpan, time: Number.isFinite },
  log: { run: isCount, level: isText, text: isText, time: Number.isFinite },
  flooded: { run: isCount, message: isText },
  result: { run: isCount, value: () => true, clean: (value) => typeof value === "boolean" },
  threw: { run: isCount, error: isThrown, clean: (value) => typeof value === "boolean" },
  unclonable: {
    run: isCount,
    message: (value) => isText(value, 65_536),
    clean: (value) => typeof value === "boolean",
  },
  scored: { run: isCount, index: isCount, components: isScores, weights: isWeights },
  unscored: { run: isCount, index: isCount, error: isThrown },
};

/** A worker's message, checked as hostile; null where it is none that we know. */
export function parseWorkerMessage(message: unknown): FromWorker | null {
  if (!isFields(message) || typeof message.kind !== "string" || !Object.hasOwn(shapes, message.kind)) {
    return null;
  }
  const shape = shapes[message.kind as FromWorker["kind"]];
  return Object.entries(shape).every(([field, test]) => test(message[field]))
    ? (message as unknown as FromWorker)
    : null;
}

/** A frame's message, checked the same way. */
export function parseFrameMessage(message: unknown): FromFrame | null {
  if (!isFields(message)) return null;
  switch (message.kind) {
    case "pong":
      return isCount(message.ping) && isCount(message.workers) ? (message as unknown as FromFrame) : null;
    case "from":
      return isCount(message.worker) ? (message as unknown as FromFrame) : null;
    case "dead":
      return isCount(message.worker) &&
        (message.reason === "flooded" || message.reason === "failed") &&
        isText(message.message, 65_536) &&
        isCount(message.line)
        ? (message as unknown as FromFrame)
        : null;
    default:
      return null;
  }
}
