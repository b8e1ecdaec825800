import type { AttributeValue, Rollout, Run, Span, TokenColumns } from "../../src/store/records.ts";

/** Spans of a rollout: the attempt, four model calls, four tool calls, the reward. */
export const spansPerRollout = 10;
const promptTokens = 256;
const responseTokens = 64;
/** Ids are drawn from a vocabulary of this size, as of an open model of 135 M parameters. */
const vocabulary = 49_152;
/** Rollouts that run at the same time: their spans interleave. */
const interleaved = 16;

/** 32 random bits a call (SplitMix32): the same seed gives the same workload. */
function randomBits(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
}

function tokensOf(bits: () => number): TokenColumns {
  const ids = (length: number): Int32Array => {
    const values = new Int32Array(length);
    for (let i = 0; i < length; i++) values[i] = bits() % vocabulary;
    return values;
  };
  const logProbabilities = new Float32Array(responseTokens);
  for (let i = 0; i < responseTokens; i++) logProbabilities[i] = Math.log((bits() + 1) / 2 ** 32);
  return {
    promptIds: ids(promptTokens),
    responseIds: ids(responseTokens),
    // At temperature 1 the distribution that was sampled from is the plain policy.
    samplerLogProbabilities: logProbabilities,
    logProbabilities,
  };
}

const words = ["search", "open", "answer", "table", "river", "north", "seven", "column", "where", "select"];

function text(bits: () => number, count: number): string {
  let result = "";
  for (let i = 0; i < count; i++) result += (i > 0 ? " " : "") + words[bits() % words.length]!;
  return result;
}

const start = 1_700_000_000_000;

/** The ten spans of one rollout, in order. */
export function rolloutSpans(runId: string, number: number, seed = 1): Span[] {
  const bits = randomBits(Math.imul(seed, 7919) + number);
  const rolloutId = `${runId}/${number}`;
  const root = `${rolloutId}/1/0`;
  const began = start + 40 * number;
  const span = (
    sequence: number,
    name: string,
    attributes: Record<string, AttributeValue>,
    tokens?: TokenColumns,
  ): Span => ({
    spanId: `${rolloutId}/1/${sequence}`,
    traceId: rolloutId,
    parentId: sequence === 0 ? null : root,
    runId,
    rolloutId,
    attemptId: `${rolloutId}/1`,
    sequence,
    name,
    status: "ok",
    startTime: began + 3 * sequence,
    endTime: began + 3 * sequence + 2 + (bits() % 1000) / 1000,
    attributes,
    ...(tokens ? { tokens } : {}),
  });
  const rows = [
    span(0, "invoke_agent searcher", {
      "gen_ai.operation.name": "invoke_agent",
      "fulgurite.task": text(bits, 6),
    }),
  ];
  for (let turn = 0; turn < 4; turn++) {
    rows.push(
      span(
        2 * turn + 1,
        "chat policy",
        {
          "gen_ai.operation.name": "chat",
          "gen_ai.provider.name": "fulgurite",
          "gen_ai.request.temperature": 1,
          "gen_ai.request.seed": bits(),
          "gen_ai.response.model": "policy",
          "gen_ai.usage.input_tokens": promptTokens,
          "gen_ai.usage.output_tokens": responseTokens,
          "fulgurite.policy_version": Math.floor(number / 64),
        },
        tokensOf(bits),
      ),
      span(2 * turn + 2, "execute_tool search", {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.call.arguments": `{"query":"${text(bits, 5)}"}`,
      }),
    );
  }
  rows.push(
    span(9, "agentlightning.annotation", {
      "gen_ai.evaluation.name": "reward",
      "gen_ai.evaluation.score.value": rewardOf(number, seed),
    }),
  );
  return rows;
}

export const rewardOf = (number: number, seed = 1): number =>
  randomBits(Math.imul(seed, 104_729) + number)() / 2 ** 32;

/** Spans of rollouts `first` to `first + count - 1`, those of sixteen at a time in the order of their times. */
export function interleavedSpans(runId: string, first: number, count: number, seed = 1): Span[] {
  const rows: Span[] = [];
  for (let block = 0; block < count; block += interleaved) {
    const size = Math.min(interleaved, count - block);
    const traces = Array.from({ length: size }, (_, i) => rolloutSpans(runId, first + block + i, seed));
    for (let sequence = 0; sequence < spansPerRollout; sequence++)
      for (const trace of traces) rows.push(trace[sequence]!);
  }
  return rows;
}

export const rolloutRow = (runId: string, number: number, seed = 1): Rollout => ({
  id: `${runId}/${number}`,
  runId,
  number,
  update: Math.floor(number / 64),
  mode: "train",
  group: Math.floor(number / 8),
  sample: number % 8,
  task: { question: words[number % words.length]! },
  status: "succeeded",
  reason: null,
  message: null,
  result: words[(number * 3) % words.length]!,
  reward: rewardOf(number, seed),
  components: { exact: rewardOf(number, seed) },
  advantage: 0,
  attempts: 1,
  calls: 4,
  inputTokens: 4 * promptTokens,
  outputTokens: 4 * responseTokens,
  policyVersion: Math.floor(number / 64),
  startTime: start + 40 * number,
  endTime: start + 40 * number + 30,
});

export const runRow = (id: string): Run => ({
  id,
  kind: "agentic",
  name: `run ${id}`,
  notebook: null,
  cell: null,
  job: {},
  seed: 1,
  engine: "cpu",
  adapter: "none",
  status: "running",
  reason: null,
  update: 0,
  updates: 0,
  step: 0,
  steps: 0,
  createdAt: start,
  updatedAt: start,
  activeTime: 0,
  metrics: {},
});
