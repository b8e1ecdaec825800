import { inputIds } from "../kernels/transformer-places.ts";
import type { Generation, TokenConstraint } from "../lm/language-engine.ts";
import type { CompletionRequest } from "./completion-request.ts";
import type { Constraints } from "./constraints.ts";
import { CompletionText } from "./completion-text.ts";
import {
  answerBody,
  deltaEvent,
  doneEvent,
  errorEvent,
  usageEvent,
  type AnswerChoice,
  type AnswerHead,
  type CompletionRoute,
} from "./completion-wire.ts";
import { EventQueue } from "./event-queue.ts";
import { asGatewayError, GatewayError, invalid } from "./gateway-error.ts";
import type { GatewayContext, GatewayOptions, GatewayResponse } from "./gateway-types.ts";
import type { GenerationBatcher } from "./generation-batcher.ts";
import type { ModelCall, SamplingParameters } from "./model-call.ts";

interface CompletionIdentity {
  readonly route: CompletionRoute;
  readonly model: string;
  readonly context: GatewayContext;
  readonly callIndex: number;
}

/** One choice on its way: what is asked of the engine and what came. */
interface Choice {
  readonly index: number;
  readonly promptTokens: Int32Array;
  readonly sampling: SamplingParameters;
  readonly text: CompletionText;
  readonly constraint: TokenConstraint | null;
  readonly logitBias: ReadonlyMap<number, number> | null;
  readonly stopTokens: readonly number[];
  readonly abort: AbortController;
}

/** A finished choice with everything that is recorded of it. */
interface Sampled extends AnswerChoice {
  readonly tokens: Int32Array;
  readonly logProbabilities: Float32Array;
  readonly samplerLogProbabilities: Float32Array;
  readonly policyVersion: number;
}

/** One request for completions, from its body to its answer and its records. */
export class Completion {
  readonly #options: GatewayOptions;
  readonly #batcher: GenerationBatcher;
  readonly #constraints: Constraints;
  readonly #identity: CompletionIdentity;
  readonly #startTime: number;
  readonly #tokenText = (id: number): string => this.#options.tokenizer.decode(Int32Array.of(id));
  /** Parsed body, for the record. */
  body: unknown = null;
  #choices: readonly Choice[] = [];
  #recorded = false;

  constructor(
    options: GatewayOptions,
    batcher: GenerationBatcher,
    constraints: Constraints,
    identity: CompletionIdentity,
  ) {
    this.#options = options;
    this.#constraints = constraints;
    this.#batcher = batcher;
    this.#identity = identity;
    this.#startTime = options.now();
  }

  /** Never rejects: whatever goes wrong is an error object, and recorded. */
  async answer(parse: () => CompletionRequest, signal: AbortSignal): Promise<GatewayResponse> {
    let cancel = (): void => undefined;
    const gone = new Promise<never>((_, reject) => {
      cancel = (): void => {
        this.#cancel();
        reject(cancelled());
      };
    });
    gone.catch(() => undefined);
    signal.addEventListener("abort", cancel, { once: true });
    const stopListening = (): void => {
      signal.removeEventListener("abort", cancel);
    };
    let streaming = false;
    try {
      signal.throwIfAborted();
      const request = parse();
      const head: AnswerHead = {
        ...this.#identity,
        request,
        id: `${this.#identity.route === "completions" ? "cmpl" : "chatcmpl"}-${this.#identity.context.attemptId}-${this.#identity.callIndex}`,
        created: Math.floor(this.#startTime / 1000),
        tokenText: this.#tokenText,
      };
      this.#choices = this.#prepare(request);
      if (request.stream) {
        const response = await this.#stream(head, gone, stopListening);
        streaming = true;
        return response;
      }
      const sampling = Promise.all(this.#choices.map((choice) => this.#sample(choice, null)));
      const sampled = await Promise.race([sampling, gone]);
      this.#recordSampled(sampled);
      const body = answerBody(head, sampled, this.#usage(sampled), sampled[0]?.policyVersion ?? 0);
      return { status: 200, headers: { "content-type": "application/json" }, body };
    } catch (thrown) {
      return this.#fail(signal.aborted ? cancelled() : asGatewayError(thrown));
    } finally {
      if (!streaming) stopListening();
    }
  }

  /** Prompt ids and sampling parameters of every choice. */
  #prepare(request: CompletionRequest): Choice[] {
    const { tokenizer, engine, seedFor } = this.#options;
    const { context, callIndex } = this.#identity;
    const overrides = context.sampling ?? {};
    const vocabulary = engine.shape.vocabularySize;
    const length = engine.shape.maxLength;
    /** Those of a soft prompt can be read, and not said. */
    const known = inputIds(engine.shape);
    const asked = request.allowedTokens ? Int32Array.from(request.allowedTokens) : tokenizer.answerIds;
    const allowed = overrides.allowed !== undefined ? overrides.allowed : asked;
    if (allowed?.length === 0 || allowed?.some((id) => id < 0 || id >= vocabulary) === true) {
      throw invalid("allowed_token_ids", `Token ids must be from 0 to ${vocabulary - 1}, at least one.`);
    }
    const constraint = request.grammar === null ? null : this.#constraints.of(request.grammar, allowed);
    const stopTokens = [tokenizer.eos];
    for (const stop of request.stop) {
      const ids = this.#encodeStop(stop);
      if (ids?.length === 1) stopTokens.push(ids[0]!);
    }
    return request.prompts.flatMap((prompt, promptIndex) => {
      const promptTokens = this.#promptTokens(prompt);
      if (promptTokens.some((id) => id < 0 || id >= known)) {
        throw invalid("prompt", `Token ids must be from 0 to ${known - 1}.`);
      }
      const room = length - promptTokens.length;
      if (promptTokens.length === 0 || room < 1) {
        throw invalid(
          "messages",
          `This policy reads at most ${length} tokens, answer included; the prompt has ${promptTokens.length}.`,
          "context_length_exceeded",
        );
      }
      const most = Math.min(room, overrides.maxTokens ?? room);
      return Array.from({ length: request.choices }, (_, i): Choice => {
        const choice = promptIndex * request.choices + i;
        const { rolloutId, attemptId, mode } = context;
        const who = { rolloutId, attemptId, mode, callIndex, choice, requestSeed: request.seed };
        return {
          index: choice,
          promptTokens,
          sampling: {
            temperature: overrides.temperature ?? request.temperature ?? this.#options.temperature ?? 1,
            maxTokens: Math.min(most, request.maxTokens ?? most),
            stop: request.stop,
            seed: seedFor(who) >>> 0,
            allowed,
            topK: Math.max(0, request.topK ?? 0),
            topP: request.topP ?? 1,
            minP: request.minP ?? 0,
          },
          constraint,
          logitBias: request.logitBias,
          stopTokens,
          // Also of a stop that is one token: others may have it within them, or write it piece by piece.
          text: new CompletionText((ids) => tokenizer.decode(ids), new Set(stopTokens), request.stop),
          abort: new AbortController(),
        };
      });
    });
  }

  #promptTokens(prompt: CompletionRequest["prompts"][number]): Int32Array {
    const { tokenizer } = this.#options;
    try {
      if (typeof prompt === "string") {
        return Int32Array.of(...(tokenizer.softPrompt ?? []), tokenizer.bos, ...tokenizer.encode(prompt));
      }
      const isIds = (list: typeof prompt): list is readonly number[] => typeof list[0] === "number";
      return isIds(prompt) ? Int32Array.from(prompt) : tokenizer.renderChat(prompt);
    } catch (error) {
      const param = this.#identity.route === "completions" ? "prompt" : "messages";
      throw invalid(param, error instanceof Error ? error.message : String(error), "invalid_prompt");
    }
  }

  /** Null where the tokenizer has no ids for it: then the policy cannot write it either. */
  #encodeStop(stop: string): Int32Array | null {
    try {
      return this.#options.tokenizer.encode(stop);
    } catch {
      return null;
    }
  }

  async #sample(
    choice: Choice,
    onText: ((text: string, id: number, logProbability: number) => void) | null,
  ): Promise<Sampled> {
    const { text, sampling, promptTokens, stopTokens } = choice;
    const { temperature, maxTokens, seed, allowed, topK, topP, minP } = sampling;
    const { constraint, logitBias } = choice;
    // Tokens are watched where somebody reads along, or where a text may end the completion early.
    const watch = onText !== null || sampling.stop.length > 0;
    const generation = await this.#batcher.generate({
      prompt: promptTokens,
      maxTokens,
      temperature,
      stopTokens,
      allowed,
      seed,
      ...{ topK: topK ?? 0, topP: topP ?? 1, minP: minP ?? 0 },
      ...(constraint && { constraint }),
      ...(logitBias && { logitBias }),
      signal: choice.abort.signal,
      ...(watch && {
        onToken: (id: number, logProbability: number) => {
          if (text.ended) return;
          const piece = text.push(id);
          onText?.(piece, id, logProbability);
          if (text.ended && !stopTokens.includes(id)) choice.abort.abort();
        },
      }),
    });
    return this.#finished(choice, generation);
  }

  #finished(choice: Choice, generation: Generation): Sampled {
    const { text } = choice;
    for (const id of generation.tokens.subarray(text.tokens)) text.push(id);
    text.finish();
    if (generation.finishReason === "abort" && !text.ended) throw cancelled();
    const used = text.tokens;
    return {
      index: choice.index,
      text: text.text,
      promptTokens: choice.promptTokens,
      tokens: generation.tokens.slice(0, used),
      logProbabilities: generation.logProbabilities.slice(0, used),
      samplerLogProbabilities: generation.samplerLogProbabilities.slice(0, used),
      finishReason: text.ended ? "stop" : "length",
      policyVersion: generation.policyVersion,
    };
  }

  /** Answers once the first token is there, so that a policy that fails at once is an HTTP error. */
  async #stream(head: AnswerHead, gone: Promise<never>, onEnd: () => void): Promise<GatewayResponse> {
    const queue = new EventQueue(() => {
      this.#cancel();
    });
    let begun = (): void => undefined;
    const beginning = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const opened = this.#choices.map(({ index, promptTokens }) =>
      deltaEvent(head, {
        ...{ index, text: "", tokens: [], logProbabilities: [], finishReason: null, textOffset: 0 },
        opening: { promptTokens },
      }),
    );
    queue.push(opened.join(""));
    const sampling = Promise.all(
      this.#choices.map(async (choice) => {
        let shown = 0;
        // Ids without a text of their own ride with the next event.
        let tokens: number[] = [];
        let logProbabilities: number[] = [];
        const send = (text: string, finishReason: "stop" | "length" | null): void => {
          const { index } = choice;
          const delta = { index, text, tokens, logProbabilities, finishReason, textOffset: shown };
          queue.push(deltaEvent(head, { ...delta, opening: null }));
          shown += text.length;
          tokens = [];
          logProbabilities = [];
        };
        const result = await this.#sample(choice, (text, id, logProbability) => {
          tokens.push(id);
          logProbabilities.push(logProbability);
          begun();
          if (text !== "") send(text, null);
        });
        if (result.text.length > shown) send(result.text.slice(shown), null);
        send("", result.finishReason);
        return result;
      }),
    );
    const ending = sampling.then(
      (sampled) => {
        if (this.#recorded) return;
        if (head.request.includeUsage) queue.push(usageEvent(head, this.#usage(sampled)));
        queue.push(doneEvent);
        this.#recordSampled(sampled);
      },
      (thrown: unknown) => {
        const error = asGatewayError(thrown);
        this.#recordAll("failed", error.status, error.message);
        queue.push(errorEvent(error.toBody()));
      },
    );
    void ending.finally(() => {
      queue.close();
      onEnd();
    });
    await Promise.race([beginning, sampling, gone]);
    return {
      status: 200,
      headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
      body: queue,
    };
  }

  /** The agent went away: recorded at once, without waiting for the engine to notice. */
  #cancel(): void {
    this.#recordAll("cancelled", 499, "The agent ended before the answer came.");
    for (const { abort } of this.#choices) abort.abort();
  }

  #fail(error: GatewayError): GatewayResponse {
    const status = error.status === 499 ? "cancelled" : error.status >= 500 ? "failed" : "rejected";
    this.#recordAll(status, error.status, error.message);
    const headers = { "content-type": "application/json" };
    return { status: error.status, headers, body: error.toBody() };
  }

  #usage(sampled: readonly Sampled[]): { promptTokens: number; completionTokens: number } {
    const prompts = new Set(sampled.map(({ promptTokens }) => promptTokens));
    return {
      promptTokens: [...prompts].reduce((sum, prompt) => sum + prompt.length, 0),
      completionTokens: sampled.reduce((sum, { tokens }) => sum + tokens.length, 0),
    };
  }

  #recordSampled(sampled: readonly Sampled[]): void {
    if (this.#recorded) return;
    this.#recorded = true;
    sampled.forEach((choice, i) => {
      this.#record({
        choice: choice.index,
        responseText: choice.text,
        promptTokens: choice.promptTokens,
        responseTokens: choice.tokens,
        samplerLogProbabilities: choice.samplerLogProbabilities,
        logProbabilities: choice.logProbabilities,
        finishReason: choice.finishReason,
        policyVersion: choice.policyVersion,
        sampling: this.#choices[i]?.sampling ?? null,
        usage: { promptTokens: choice.promptTokens.length, completionTokens: choice.tokens.length },
        status: "succeeded",
        httpStatus: 200,
        error: null,
      });
    });
  }

  /** Records every choice, or the request where it never had one, as ended without an answer. */
  #recordAll(status: ModelCall["status"], httpStatus: number, error: string): void {
    if (this.#recorded) return;
    this.#recorded = true;
    const choices = this.#choices.length > 0 ? this.#choices : [null];
    for (const choice of choices) {
      this.#record({
        choice: choice?.index ?? 0,
        responseText: "",
        promptTokens: choice?.promptTokens ?? new Int32Array(0),
        responseTokens: new Int32Array(0),
        samplerLogProbabilities: new Float32Array(0),
        logProbabilities: new Float32Array(0),
        finishReason: null,
        policyVersion: null,
        sampling: choice?.sampling ?? null,
        usage: { promptTokens: choice?.promptTokens.length ?? 0, completionTokens: 0 },
        ...{ status, httpStatus, error },
      });
    }
  }

  #record(
    outcome: Omit<
      ModelCall,
      | "rolloutId"
      | "attemptId"
      | "callIndex"
      | "mode"
      | "route"
      | "request"
      | "requestedModel"
      | "model"
      | "startTime"
      | "endTime"
    >,
  ): void {
    const { context, callIndex, route, model } = this.#identity;
    const asked = (this.body as { readonly model?: unknown } | null)?.model;
    const call: ModelCall = {
      rolloutId: context.rolloutId,
      attemptId: context.attemptId,
      callIndex,
      mode: context.mode,
      route,
      request: this.body,
      requestedModel: typeof asked === "string" ? asked : null,
      model,
      startTime: this.#startTime,
      endTime: this.#options.now(),
      ...outcome,
    };
    this.#options.record(call);
    context.onCall?.(call);
  }
}

const cancelled = (): GatewayError =>
  new GatewayError(499, "The agent ended before the answer came.", { code: "cancelled" });
