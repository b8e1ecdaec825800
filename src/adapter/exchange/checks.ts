import type { AttributeValue, Rollout, Span } from "../../store/records.ts";
import { checkSpan, isCount } from "../../store/span.ts";

type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isText = (value: unknown): boolean => typeof value === "string";
const isNumber = (value: unknown): boolean => typeof value === "number";
const isWhole = (value: unknown): boolean => typeof value === "number" && isCount(value);
const orNull =
  (test: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === null || test(value);
const isScalar = (value: unknown): value is AttributeValue =>
  value === null || ["string", "number", "boolean"].includes(typeof value);
const oneOf =
  (...words: readonly string[]) =>
  (value: unknown): boolean =>
    typeof value === "string" && words.includes(value);
const isNumbers = (value: unknown): boolean => isFields(value) && Object.values(value).every(isNumber);

const isAttempt = (value: unknown): boolean =>
  isFields(value) &&
  isText(value["id"]) &&
  isWhole(value["sequence"]) &&
  isText(value["status"]) &&
  isNumber(value["startTime"]) &&
  orNull(isNumber)(value["endTime"]) &&
  orNull(isText)(value["workerId"]);

type Shape<Record> = { readonly [Key in keyof Record]?: (value: unknown) => boolean };

/** Without these no store would take it; anything else is passed through. */
const rolloutShape: Shape<Rollout> = {
  id: isText,
  runId: isText,
  number: isWhole,
  update: isNumber,
  mode: orNull(isText),
  group: isNumber,
  sample: isNumber,
  status: isText,
  reason: orNull(isText),
  message: orNull(isText),
  reward: orNull(isNumber),
  components: isNumbers,
  advantage: orNull(isNumber),
  attempts: isWhole,
  attemptList: (value) => value === undefined || (Array.isArray(value) && value.every(isAttempt)),
  calls: isNumber,
  inputTokens: isNumber,
  outputTokens: isNumber,
  policyVersion: isNumber,
  startTime: isNumber,
  endTime: orNull(isNumber),
};

const spanShape: Shape<Span> = {
  spanId: isText,
  traceId: isText,
  parentId: orNull(isText),
  runId: isText,
  rolloutId: orNull(isText),
  attemptId: orNull(isText),
  sequence: isWhole,
  name: isText,
  status: oneOf("unset", "ok", "error"),
  startTime: isNumber,
  endTime: isNumber,
  attributes: (value) => isFields(value) && Object.values(value).every(isScalar),
};

function wrongField(value: unknown, shape: Shape<unknown>): string | null {
  if (!isFields(value)) return "it is no object";
  const entries = Object.entries(shape) as [string, (field: unknown) => boolean][];
  const wrong = entries.find(([key, test]) => !test(value[key]));
  return wrong ? `${wrong[0]} is ${wrong[0] in value ? "of the wrong type" : "missing"}` : null;
}

/** What is wrong with a rollout from a file; null where a store would take it. */
export const wrongRollout = (value: unknown): string | null => wrongField(value, rolloutShape);

/** What is wrong with a span from a file; null where a store would take it. */
export function wrongSpan(value: unknown): string | null {
  const wrong = wrongField(value, spanShape);
  if (wrong) return wrong;
  try {
    checkSpan(value as Span);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
