import type { AttributeValue, Rollout, Span } from "../store/records.ts";
import { json, messagesOf, outputMessages } from "./messages.ts";
import { spanAt, type SpanPlace } from "./rollout-trace.ts";
import { agentLightning, fulgurite, genAi } from "./semantic-conventions.ts";

/** A completion as the gateway records it: what its span needs of it. */
export interface RecordedCall {
  readonly callIndex: number;
  readonly choice: number;
  /** "chat.completions" or "completions". */
  readonly route: string;
  /** Parsed body; null where it was no JSON. */
  readonly request: unknown;
  readonly responseText: string;
  readonly promptTokens: Int32Array;
  readonly responseTokens: Int32Array;
  readonly samplerLogProbabilities: Float32Array;
  readonly logProbabilities: Float32Array;
  readonly finishReason: string | null;
  readonly requestedModel: string | null;
  readonly model: string;
  readonly policyVersion: number | null;
  readonly sampling: {
    readonly temperature: number;
    readonly maxTokens: number;
    readonly stop: readonly string[];
    readonly seed: number;
    readonly allowed: Int32Array | null;
  } | null;
  readonly startTime: number;
  readonly endTime: number;
  readonly status: "succeeded" | "rejected" | "failed" | "cancelled";
  readonly httpStatus: number;
  readonly error: string | null;
}

type Attributes = Record<string, AttributeValue>;

interface Body {
  readonly name: string;
  readonly status: Span["status"];
  readonly startTime: number;
  readonly endTime: number;
  /** Undefined ones are left out. */
  readonly attributes: Readonly<Record<string, AttributeValue | undefined>>;
}

function bodyAt(place: SpanPlace, { attributes, ...body }: Body): Span {
  const present = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return spanAt(place, { ...body, attributes: Object.fromEntries(present) as Attributes });
}

/** The span of one completion of one request to the policy, with its tokens where it got as far as a prompt. */
export function modelCallSpan(place: SpanPlace, call: RecordedCall): Span {
  const { promptTokens, responseTokens, sampling, finishReason } = call;
  const operation = call.route === "completions" ? "text_completion" : "chat";
  const body =
    typeof call.request === "object" ? (call.request as Readonly<Record<string, unknown>> | null) : null;
  const succeeded = call.status === "succeeded";
  const span = bodyAt(place, {
    name: `${operation} ${call.model}`,
    status: succeeded ? "ok" : "error",
    startTime: call.startTime,
    endTime: call.endTime,
    attributes: {
      [genAi.operationName]: operation,
      [genAi.providerName]: fulgurite.provider,
      [genAi.requestModel]: call.requestedModel ?? undefined,
      [genAi.requestTemperature]: sampling?.temperature,
      [genAi.requestMaxTokens]: sampling?.maxTokens,
      [genAi.requestSeed]: sampling?.seed,
      [genAi.requestStopSequences]: sampling && sampling.stop.length > 0 ? json(sampling.stop) : undefined,
      [genAi.requestStream]: body?.["stream"] === true ? true : undefined,
      [genAi.requestChoiceCount]: typeof body?.["n"] === "number" ? body["n"] : undefined,
      [genAi.toolDefinitions]: body?.["tools"] === undefined ? undefined : json(body["tools"]),
      [genAi.inputMessages]: body ? json(messagesOf(body)) : undefined,
      [genAi.outputMessages]: succeeded ? json(outputMessages(call.responseText, finishReason)) : undefined,
      [genAi.responseModel]: call.model,
      [genAi.responseFinishReasons]: finishReason === null ? undefined : json([finishReason]),
      [genAi.inputTokens]: promptTokens.length,
      [genAi.outputTokens]: responseTokens.length,
      [genAi.httpStatus]: call.httpStatus,
      [genAi.errorType]: succeeded ? undefined : call.status,
      [genAi.errorMessage]: call.error ?? undefined,
      [fulgurite.callIndex]: call.callIndex,
      [fulgurite.choice]: call.choice,
      [fulgurite.policyVersion]: call.policyVersion ?? undefined,
      [fulgurite.allowedTokens]: sampling?.allowed ? json(Array.from(sampling.allowed)) : undefined,
    },
  });
  if (promptTokens.length === 0) return span;
  const { samplerLogProbabilities, logProbabilities } = call;
  return {
    ...span,
    tokens: {
      promptIds: promptTokens,
      responseIds: responseTokens,
      samplerLogProbabilities,
      logProbabilities,
    },
  };
}

export interface RecordedReward {
  /** Weighted sum; null where the reward failed. */
  readonly reward: number | null;
  readonly components: Readonly<Record<string, number>>;
  /** Code and text of the failure; null where there is a reward. */
  readonly reason: string | null;
  readonly message: string | null;
  readonly startTime: number;
  readonly endTime: number;
}

/** The span of scoring a rollout: the reward first, named "primary", then its components by name. */
export function rewardSpan(place: SpanPlace, scored: RecordedReward): Span {
  const { reward, components, reason, message, startTime, endTime } = scored;
  const attributes: Record<string, AttributeValue | undefined> = {
    [genAi.errorType]: reason ?? undefined,
    [genAi.errorMessage]: message ?? undefined,
  };
  if (reward !== null) {
    attributes[genAi.evaluationName] = "reward";
    attributes[genAi.evaluationScore] = reward;
    [[agentLightning.primary, reward] as const, ...Object.entries(components)].forEach(([name, value], i) => {
      attributes[agentLightning.rewardName(i)] = name;
      attributes[agentLightning.rewardValue(i)] = value;
    });
  }
  const status = reward === null ? "error" : "ok";
  return bodyAt(place, { name: agentLightning.annotation, status, startTime, endTime, attributes });
}

export interface RecordedAttempt extends Pick<
  Rollout,
  "update" | "mode" | "group" | "sample" | "status" | "reason" | "message"
> {
  /** The agent's name. */
  readonly agent: string;
  readonly startTime: number;
  readonly endTime: number;
}

/** The root span of one attempt; task and result are the rollout's own. */
export const rolloutSpan = (place: SpanPlace, attempt: RecordedAttempt): Span =>
  bodyAt(place, {
    name: `invoke_agent ${attempt.agent}`,
    status: attempt.status === "succeeded" ? "ok" : "error",
    startTime: attempt.startTime,
    endTime: attempt.endTime,
    attributes: {
      [genAi.operationName]: "invoke_agent",
      [genAi.agentName]: attempt.agent,
      [genAi.errorType]: attempt.reason ?? undefined,
      [genAi.errorMessage]: attempt.message ?? undefined,
      [fulgurite.update]: attempt.update,
      [fulgurite.group]: attempt.group,
      [fulgurite.sample]: attempt.sample,
      [fulgurite.mode]: attempt.mode,
      [fulgurite.attempt]: place.attempt,
    },
  });
