import fc from "fast-check";
import type { Span, TokenColumns } from "../../src/store/records.ts";
import { isCount } from "../../src/store/span.ts";

/** Any text, with lone surrogates and names that objects have by themselves. */
export const anyText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom("", "__proto__", "constructor", "\ud800", "a\udc00b", "é\u0000", "ﬀ", "𝔸"),
);

export const anyAttribute = fc.oneof(
  anyText,
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.constantFrom(null, -0, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 70),
);

const reserved = [
  "prompt_token_ids",
  "fulgurite.span",
  "fulgurite.rollout",
  "fulgurite.run_id",
  "agentlightning.rollout_id",
  "agentlightning.span_sequence_id",
  "logprobs.content",
  "otel.events",
  "otel.links",
  "otel.status_description",
  "otel.span.kind",
  "otel.trace_state",
  "otel.resource",
  "otel.scope.name",
  "input.value",
  "gen_ai.operation.name",
];
const anyKey = fc.oneof(anyText, fc.constantFrom(...reserved));

export const anyAttributes = fc
  .array(
    fc.tuple(anyKey, fc.oneof(anyAttribute, fc.constantFrom("chat", "CLIENT", "[]", "{}", '{"spanId":"x"}'))),
    { maxLength: 6 },
  )
  .map((entries) => Object.fromEntries(entries));

const anyFloat = fc.oneof(fc.float(), fc.constantFrom(-0, Number.NaN, Number.NEGATIVE_INFINITY));

export const anyTokens: fc.Arbitrary<TokenColumns> = fc
  .tuple(
    fc.array(fc.integer(), { maxLength: 6 }),
    fc.array(fc.tuple(fc.integer(), anyFloat, anyFloat), { maxLength: 6 }),
  )
  .map(([prompt, response]) => ({
    promptIds: Int32Array.from(prompt),
    responseIds: Int32Array.from(response, ([id]) => id),
    samplerLogProbabilities: Float32Array.from(response, ([, sampler]) => sampler),
    logProbabilities: Float32Array.from(response, ([, , policy]) => policy),
  }));

const anyTime = fc.oneof(
  fc.double({ min: 1.6e12, max: 1.9e12, noNaN: true }),
  fc.constantFrom(0, 1_700_000_000_123.4567, 1e15, -1, Number.NaN),
  fc.double(),
);

const anyId = fc.oneof(
  anyText.filter((text) => text !== ""),
  fc.constantFrom("0123456789abcdef", "0000000000000000", "01R/7/1/0"),
);

/** Any span that the store takes. */
export const anySpan: fc.Arbitrary<Span> = fc
  .record({
    spanId: anyId,
    traceId: anyText,
    parentId: fc.option(anyId),
    runId: anyText,
    rolloutId: fc.option(anyText),
    attemptId: fc.option(anyText),
    sequence: fc.nat().filter(isCount),
    name: anyText,
    status: fc.constantFrom("unset" as const, "ok" as const, "error" as const),
    startTime: anyTime,
    endTime: anyTime,
    attributes: anyAttributes,
    tokens: fc.option(anyTokens),
  })
  .map(({ tokens, ...span }): Span => (tokens ? { ...span, tokens } : span));
