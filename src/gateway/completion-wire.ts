import type { CompletionRequest } from "./completion-request.ts";

/** Which of the two completion routes is answered. */
export type CompletionRoute = "chat.completions" | "completions";

/** What all parts of one answer have in common. */
export interface AnswerHead {
  readonly route: CompletionRoute;
  readonly request: CompletionRequest;
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly model: string;
  /** Text of one id, for log-probabilities. */
  readonly tokenText: (id: number) => string;
}

/** A finished choice. */
export interface AnswerChoice {
  readonly index: number;
  readonly text: string;
  readonly promptTokens: Int32Array;
  readonly tokens: ArrayLike<number>;
  readonly logProbabilities: ArrayLike<number>;
  readonly finishReason: "stop" | "length";
}

/** Part of a choice, as it is streamed. */
export interface AnswerDelta {
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly logProbabilities: readonly number[];
  readonly finishReason: "stop" | "length" | null;
  /** Set in the first delta of a choice. */
  readonly opening: { readonly promptTokens: Int32Array } | null;
  /** Characters of the choice before this delta. */
  readonly textOffset: number;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** The whole answer as JSON text. */
export function answerBody(
  head: AnswerHead,
  choices: readonly AnswerChoice[],
  usage: Usage,
  policyVersion: number,
): string {
  const { request, route } = head;
  const chat = route === "chat.completions";
  const first = choices[0];
  return JSON.stringify({
    ...envelope(head, chat ? "chat.completion" : "text_completion"),
    system_fingerprint: `policy-${policyVersion}`,
    choices: choices.map((choice) => ({
      index: choice.index,
      ...(chat
        ? { message: { role: "assistant", content: choice.text, refusal: null } }
        : { text: choice.text }),
      logprobs: request.logProbabilities
        ? logProbabilities(head, choice.tokens, choice.logProbabilities, 0)
        : null,
      finish_reason: choice.finishReason,
      ...(request.returnTokenIds ? { token_ids: Array.from(choice.tokens) } : {}),
      ...(request.returnTokenIds && !chat ? { prompt_token_ids: Array.from(choice.promptTokens) } : {}),
    })),
    usage: usageBody(usage),
    ...(request.returnTokenIds && chat && first ? { prompt_token_ids: Array.from(first.promptTokens) } : {}),
  });
}

/** One server-sent event of a streamed choice. */
export function deltaEvent(head: AnswerHead, delta: AnswerDelta): string {
  const { request, route } = head;
  const chat = route === "chat.completions";
  const { opening } = delta;
  const promptIds =
    request.returnTokenIds && opening ? { prompt_token_ids: Array.from(opening.promptTokens) } : {};
  const content = delta.text === "" && delta.finishReason !== null ? {} : { content: delta.text };
  return event({
    ...envelope(head, chat ? "chat.completion.chunk" : "text_completion"),
    choices: [
      {
        index: delta.index,
        ...(chat
          ? { delta: opening ? { role: "assistant", content: delta.text } : content }
          : { text: delta.text }),
        logprobs:
          request.logProbabilities && delta.tokens.length > 0
            ? logProbabilities(head, delta.tokens, delta.logProbabilities, delta.textOffset)
            : null,
        finish_reason: delta.finishReason,
        ...(request.returnTokenIds ? { token_ids: delta.tokens } : {}),
        ...(chat ? {} : promptIds),
      },
    ],
    ...(request.includeUsage ? { usage: null } : {}),
    ...(chat ? promptIds : {}),
  });
}

/** The event after all choices, where usage was asked for. */
export function usageEvent(head: AnswerHead, usage: Usage): string {
  const object = head.route === "chat.completions" ? "chat.completion.chunk" : "text_completion";
  return event({ ...envelope(head, object), choices: [], usage: usageBody(usage) });
}

export const doneEvent = "data: [DONE]\n\n";

/** `error` is an error object's JSON text. */
export const errorEvent = (error: string): string => `data: ${error}\n\n`;

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

const envelope = ({ id, created, model }: AnswerHead, object: string): Record<string, unknown> => ({
  id,
  object,
  created,
  model,
});

const usageBody = ({ promptTokens, completionTokens }: Usage): Record<string, number> => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
});

function logProbabilities(
  { route, request, tokenText }: AnswerHead,
  tokens: ArrayLike<number>,
  values: ArrayLike<number>,
  textOffset: number,
): unknown {
  const texts = Array.from(tokens, (id) => (request.tokensAsIds ? `token_id:${id}` : tokenText(id)));
  // JSON has no infinity; OpenAI prints -9999 for what cannot happen.
  const logs = Array.from(values, (value) => (Number.isFinite(value) ? value : -9999));
  if (route === "chat.completions") {
    const content = texts.map((token, i) => ({
      token,
      logprob: logs[i],
      bytes: Array.from(new TextEncoder().encode(token)),
      top_logprobs: [],
    }));
    return { content, refusal: null };
  }
  const offsets = [];
  for (let i = 0, offset = textOffset; i < tokens.length; offset += tokenText(tokens[i++]!).length) {
    offsets.push(offset);
  }
  return { tokens: texts, token_logprobs: logs, top_logprobs: null, text_offset: offsets };
}
