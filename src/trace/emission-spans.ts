import { asFulguriteError } from "../gpu/error.ts";
import type { AttributeValue, Span } from "../store/records.ts";
import type { EmittedSpan } from "./emitted-span.ts";
import {
  annotationAttributes,
  exceptionAttributes,
  messageAttributes,
  objectAttributes,
  operationValues,
  rewardAttributes,
  taggedAttributes,
} from "./emissions.ts";
import { modelCallSpan, type RecordedCall } from "./rollout-spans.ts";
import { spanAt, type RolloutTrace, type SpanPlace } from "./rollout-trace.ts";
import { agentLightning, genAi } from "./semantic-conventions.ts";

type Attributes = Readonly<Record<string, AttributeValue>>;

/** Something that an agent emitted, logged or asked the policy, at a time of the trainer's clock. */
export interface RecordedEmission {
  readonly kind: "emit" | "log" | "span" | "call";
  /** Name of an emission, level of a log line, type of a span, number of the operation around a call. */
  readonly name: string;
  /** An `EmittedSpan` where the kind is "span", the `callIndex` of a call. */
  readonly value: unknown;
  readonly time: number;
}

interface OpenSpan {
  readonly place: SpanPlace;
  readonly name: string;
  readonly startTime: number;
  endTime: number;
  status: Span["status"];
  attributes: Attributes;
}

const spanNames = {
  reward: agentLightning.annotation,
  message: agentLightning.message,
  object: agentLightning.object,
  exception: agentLightning.exception,
  annotation: agentLightning.annotation,
  operation: agentLightning.operation,
} as const;

function attributesOf({ type, name, value, primary }: EmittedSpan): Attributes {
  switch (type) {
    case "reward":
      return rewardAttributes(value, primary);
    case "message":
      return messageAttributes(value);
    case "exception":
      return exceptionAttributes(value);
    case "annotation":
      return annotationAttributes(value);
    case "operation":
      return { [agentLightning.operationName]: name };
    default:
      return objectAttributes(value);
  }
}

/** What makes no sense is a span with an error, so that it is seen where it happened. */
function described(emitted: EmittedSpan): {
  readonly status: Span["status"];
  readonly attributes: Attributes;
} {
  const common = taggedAttributes(emitted.tags, emitted.links);
  try {
    return { status: "ok", attributes: { ...common, ...attributesOf(emitted) } };
  } catch (error) {
    const { code, message, fix } = asFulguriteError(error);
    return {
      status: "error",
      attributes: { ...common, [genAi.errorType]: code, [genAi.errorMessage]: `${message} ${fix}` },
    };
  }
}

/**
 * The spans of what an agent emitted in one attempt and of its model calls, in the order in which they began, below its root:
 * operations hold what was emitted and asked in them, and one that did not end by itself ends with the attempt, its status
 * unset.
 */
export function emissionSpans(
  trace: RolloutTrace,
  root: SpanPlace,
  emissions: readonly RecordedEmission[],
  endTime: number,
  calls: readonly RecordedCall[] = [],
): Span[] {
  const spans: (OpenSpan | Span)[] = [];
  const left = new Set(calls);
  const addCalls = (parent: SpanPlace, which: (call: RecordedCall) => boolean): void => {
    for (const call of left) {
      if (!which(call)) continue;
      left.delete(call);
      spans.push(modelCallSpan(trace.below(parent), call));
    }
  };
  const operations = new Map<number, OpenSpan>();
  const add = (parent: SpanPlace, span: Omit<OpenSpan, "place">): OpenSpan => {
    const open = { ...span, place: trace.below(parent) };
    spans.push(open);
    return open;
  };
  for (const emission of emissions) {
    const { kind, name, value, time } = emission;
    if (kind === "call") {
      addCalls(operations.get(Number(name))?.place ?? root, ({ callIndex }) => callIndex === value);
      continue;
    }
    if (kind !== "span") {
      add(root, plainEmission(emission));
      continue;
    }
    const emitted = value as EmittedSpan;
    const around = operations.get(emitted.parent);
    if (emitted.type === "input" || emitted.type === "end" || emitted.type === "failed") {
      if (around) change(around, emitted, time);
      continue;
    }
    const times = { startTime: time, endTime: time };
    const open = add(around?.place ?? root, {
      ...times,
      name: spanNames[emitted.type],
      ...described(emitted),
    });
    if (emitted.type !== "operation") continue;
    open.status = "unset";
    open.endTime = Math.max(time, endTime);
    operations.set(emitted.number, open);
  }
  addCalls(root, () => true);
  return spans.map((span) => ("place" in span ? closed(span) : span));
}

const closed = ({ place, ...span }: OpenSpan): Span => spanAt(place, span);

/** The span of one value or line of the log, wherever it stands. */
export const agentEmissionSpan = (
  place: SpanPlace,
  emission: RecordedEmission & { readonly kind: "emit" | "log" },
): Span => spanAt(place, plainEmission(emission));

function plainEmission({ kind, name, value, time }: RecordedEmission): Omit<OpenSpan, "place"> {
  const content = kind === "log" ? messageAttributes(value) : objectAttributes(value);
  return {
    name: kind === "log" ? agentLightning.message : agentLightning.object,
    startTime: time,
    endTime: time,
    status: "ok",
    attributes: { ...taggedAttributes([name], []), ...content },
  };
}

function change(operation: OpenSpan, { type, value }: EmittedSpan, time: number): void {
  const added =
    type === "input"
      ? operationValues("input", value)
      : type === "end"
        ? operationValues("output", value)
        : exceptionAttributes(value);
  operation.attributes = { ...operation.attributes, ...added };
  if (type === "input") return;
  operation.endTime = time;
  operation.status = type === "end" ? "ok" : "error";
}
