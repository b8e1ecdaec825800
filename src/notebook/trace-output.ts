import { FulguriteError } from "../gpu/error.ts";
import type { AttributeValue } from "../store/records.ts";
import * as read from "./validate.ts";

/** One span of a trace that a cell shows. The store's own spans and exports have all of these. */
export interface TraceSpan {
  readonly name: string;
  /** Unique within the trace. */
  readonly spanId: string;
  /** The span inside which it happened; default none. */
  readonly parentId?: string | null;
  /** Milliseconds, from any beginning. */
  readonly startTime: number;
  readonly endTime: number;
  /** Default "unset". */
  readonly status?: "unset" | "ok" | "error";
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/** A span as it travels: its attributes as pairs, because a name may be any text. */
export interface ShownSpan {
  readonly name: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly startTime: number;
  readonly endTime: number;
  readonly status: "unset" | "ok" | "error";
  readonly attributes: readonly (readonly [string, AttributeValue])[];
}

/** Spans that one view takes. */
export const MAX_SPANS = 1_000;
const MAX_ATTRIBUTES = 200;

const id = read.text(200);
const value: read.Reader<AttributeValue> = (given) => {
  if (given === null || typeof given === "boolean" || typeof given === "number") return given;
  return read.text(100_000)(given);
};
const attribute: read.Reader<readonly [string, AttributeValue]> = (given) => {
  if (!Array.isArray(given) || given.length !== 2) throw new read.Invalid("attribute");
  return [id(given[0]), value(given[1])];
};

/** Reads a span from the kernel. */
export const shownSpan = read.object<ShownSpan>({
  name: id,
  spanId: id,
  parentId: read.nullable(id),
  startTime: read.finite,
  endTime: read.finite,
  status: read.oneOf("unset", "ok", "error"),
  attributes: read.list(attribute, MAX_ATTRIBUTES),
});

/** What a cell gave as spans; throws `FulguriteError` "notebook/trace" where that is something else. */
export function shownSpans(spans: Iterable<TraceSpan>): ShownSpan[] {
  try {
    return Array.from(spans, ({ name, spanId, parentId, startTime, endTime, status, attributes }) =>
      shownSpan({
        name,
        spanId,
        parentId: parentId ?? null,
        startTime,
        endTime,
        status: status ?? "unset",
        attributes: Object.entries(attributes ?? {}),
      }),
    ).slice(0, MAX_SPANS);
  } catch (error) {
    throw new FulguriteError(
      "notebook/trace",
      "These are not the spans of a trace.",
      "Give each `name`, `spanId`, `startTime` and `endTime` in milliseconds; `parentId`, `status` and `attributes` if it has them.",
      { cause: error },
    );
  }
}
