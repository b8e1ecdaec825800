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
import { spanAt, type RolloutTrace, type SpanPlace } from "./rollout-trace.ts";
import { agentLightning, genAi } from "./semantic-conventions.ts";

type Attributes = Readonly<Record<string, AttributeValue>>;

/** Something that an agent emitted or logged, at a time of the trainer's clock. */
export interface RecordedEmission {
  readonly kind: "emit" | "log" | "span";
  /** Name of an emission, level of a log line, type of a span. */
  readonly name: string;
  /** An `EmittedSpan` where the kind is "span". */
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
 * The spans of what an agent emitted in one attempt, below its root: operations hold what was emitted through them, and
 * one that did not end by itself ends with the attempt, its status unset.
 */
export function emissionSpans(
  trace: RolloutTrace,
  root: SpanPlace,
  emissions: readonly RecordedEmission[],
  endTime: number,
): Span[] {
  const spans: OpenSpan[] = [];
  const operations = new Map<number, OpenSpan>();
  const add = (parent: SpanPlace, span: Omit<OpenSpan, "place">): OpenSpan => {
    const open = { ...span, place: trace.below(parent) };
    spans.push(open);
    return open;
  };
  for (const emission of emissions) {
    const { kind, value, time } = emission;
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
    const name = spanNames[emitted.type];
    const open = add(around?.place ?? root, { startTime: time, endTime: time, name, ...described(emitted) });
    if (emitted.type !== "operation") continue;
    open.status = "unset";
    open.endTime = Math.max(time, endTime);
    operations.set(emitted.number, open);
  }
  return spans.map(({ place, ...span }) => spanAt(place, span));
}

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
