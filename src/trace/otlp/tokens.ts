import type { TokenColumns } from "../../store/records.ts";
import { agentLightning, fulgurite } from "../semantic-conventions.ts";
import type { OtlpAttributes, OtlpValue } from "./model.ts";

/** Attributes that become a span's token columns. */
export const tokenKeys: ReadonlySet<string> = new Set([
  agentLightning.promptTokenIds,
  agentLightning.responseTokenIds,
  agentLightning.logProbabilities,
  fulgurite.samplerLogProbabilities,
  fulgurite.logProbabilities,
]);

/** Token ids as Agent Lightning has them; log-probabilities as numbers, and once more as its adapters read them. */
export const tokenAttributes = (tokens: TokenColumns): Record<string, OtlpValue> => ({
  [agentLightning.promptTokenIds]: Array.from(tokens.promptIds),
  [agentLightning.responseTokenIds]: Array.from(tokens.responseIds),
  [agentLightning.logProbabilities]: JSON.stringify(
    Array.from(tokens.samplerLogProbabilities, (logprob) => ({
      logprob: Number.isFinite(logprob) ? logprob : null,
    })),
  ),
  [fulgurite.samplerLogProbabilities]: Array.from(tokens.samplerLogProbabilities),
  [fulgurite.logProbabilities]: Array.from(tokens.logProbabilities),
});

function idsOf(value: OtlpValue | undefined): Int32Array | null {
  if (!Array.isArray(value)) return null;
  const list = value as readonly OtlpValue[];
  return list.every((id) => typeof id === "number" && (id | 0) === id)
    ? Int32Array.from(list as number[])
    : null;
}

/** The numbers, where there is one for each id. */
function numbersOf(value: OtlpValue | undefined, length: number): Float32Array | null {
  if (!Array.isArray(value) || value.length !== length) return null;
  const list = value as readonly OtlpValue[];
  return list.every((item) => typeof item === "number") ? Float32Array.from(list as number[]) : null;
}

/** `logprobs.content` of Agent Lightning: JSON of `[{ logprob }, ...]`. */
function contentNumbers(value: OtlpValue | undefined, length: number): Float32Array | null {
  if (typeof value !== "string") return null;
  try {
    const content = JSON.parse(value) as unknown;
    if (!Array.isArray(content) || content.length !== length) return null;
    return Float32Array.from(content, (item: unknown) => {
      const { logprob } = (item ?? {}) as { readonly logprob?: unknown };
      return typeof logprob === "number" ? logprob : Number.NaN;
    });
  } catch {
    return null;
  }
}

/** The token columns of a span that has token ids, else null. Log-probabilities that were not recorded are NaN. */
export function readTokens(attributes: OtlpAttributes): TokenColumns | null {
  const promptIds = idsOf(attributes[agentLightning.promptTokenIds]);
  const responseIds = idsOf(attributes[agentLightning.responseTokenIds]);
  if (!promptIds || !responseIds) return null;
  const { length } = responseIds;
  const missing = (): Float32Array => new Float32Array(length).fill(Number.NaN);
  return {
    promptIds,
    responseIds,
    samplerLogProbabilities:
      numbersOf(attributes[fulgurite.samplerLogProbabilities], length) ??
      contentNumbers(attributes[agentLightning.logProbabilities], length) ??
      missing(),
    logProbabilities: numbersOf(attributes[fulgurite.logProbabilities], length) ?? missing(),
  };
}
