import { decodeAttributes, encodeValue, isJsonNumber } from "./json-numbers.ts";
import type { Span, TokenColumns } from "./records.ts";
import type { PackedGroup, TailGroup } from "./storage.ts";

/**
 * Spans of one commit as the tail keeps them: one JSON text and the tokens end to end. Two to three times faster to
 * clone than the spans themselves, each of which has names of fields and up to four arrays.
 */
export function packGroup(spans: readonly Span[]): PackedGroup {
  let ids = 0;
  let responses = 0;
  let withTokens = 0;
  let plain = true;
  for (const { tokens, attributes } of spans) {
    if (tokens) {
      withTokens++;
      ids += tokens.promptIds.length + tokens.responseIds.length;
      responses += tokens.responseIds.length;
    }
    for (const key in attributes) {
      const value = attributes[key];
      if (typeof value === "number" && !isJsonNumber(value)) plain = false;
    }
  }
  const places = new Int32Array(3 * withTokens);
  const allIds = new Int32Array(ids);
  const logProbabilities = new Float32Array(2 * responses);
  let place = 0;
  let id = 0;
  let probability = 0;
  const rows = spans.map((span, row) => {
    const { tokens } = span;
    if (!tokens) return span;
    const { promptIds, responseIds } = tokens;
    places[place++] = row;
    places[place++] = promptIds.length;
    places[place++] = responseIds.length;
    allIds.set(promptIds, id);
    allIds.set(responseIds, (id += promptIds.length));
    id += responseIds.length;
    logProbabilities.set(tokens.samplerLogProbabilities, probability);
    logProbabilities.set(tokens.logProbabilities, (probability += responseIds.length));
    probability += responseIds.length;
    // Undefined is left out of JSON.
    return { ...span, tokens: undefined };
  });
  const json = plain ? JSON.stringify(rows) : JSON.stringify(rows, encodeValue);
  return { json, places, ids: allIds, logProbabilities, plain };
}

/** The spans of a group, of this version or of one before. */
export function unpackGroup(group: TailGroup): Span[] {
  if ("rows" in group) return [...group.rows];
  const spans = JSON.parse(group.json) as (Span & { tokens?: TokenColumns })[];
  if (!group.plain) {
    spans.forEach((span, row) => (spans[row] = { ...span, attributes: decodeAttributes(span.attributes) }));
  }
  const { places, ids, logProbabilities } = group;
  let id = 0;
  let probability = 0;
  for (let place = 0; place < places.length; place += 3) {
    const row = places[place]!;
    const prompt = places[place + 1]!;
    const response = places[place + 2]!;
    const tokens: TokenColumns = {
      promptIds: ids.slice(id, id + prompt),
      responseIds: ids.slice(id + prompt, id + prompt + response),
      samplerLogProbabilities: logProbabilities.slice(probability, probability + response),
      logProbabilities: logProbabilities.slice(probability + response, probability + 2 * response),
    };
    id += prompt + response;
    probability += 2 * response;
    spans[row] = { ...spans[row]!, tokens };
  }
  return spans;
}
