import type { Rollout, Span } from "../../src/store/records.ts";
import { rolloutIdOf } from "../../src/store/span.ts";
import { agenticUpdateSpan, type AgenticUpdate } from "../../src/trace/agentic-spans.ts";
import { modelCallSpan, rewardSpan, rolloutSpan, type RecordedCall } from "../../src/trace/rollout-spans.ts";
import { RolloutTrace } from "../../src/trace/rollout-trace.ts";

const symbols = "ABCDEFGHIJ";

/** One call on a string task: eleven prompt ids, some sampled ones. */
const call = (number: number, update: number): RecordedCall => {
  const text = Array.from({ length: 4 }, (_, i) => symbols[(number * 7 + i * 3) % 10]!).join("");
  const length = 3 + (number % 3);
  return {
    callIndex: 0,
    choice: 0,
    route: "chat.completions",
    request: {
      model: "policy",
      messages: [{ role: "user", content: `copy ${symbols[Math.floor(number / 8) % 10]!}${text.slice(1)}` }],
    },
    responseText: text,
    promptTokens: Int32Array.from({ length: 11 }, (_, i) => (number + i) % 30),
    responseTokens: Int32Array.from({ length }, (_, i) => (number * 3 + i) % 30),
    samplerLogProbabilities: Float32Array.from({ length }, (_, i) => -0.1 * i - number / 1000),
    logProbabilities: Float32Array.from({ length }, (_, i) => -0.2 * i - number / 1000),
    finishReason: "stop",
    requestedModel: "policy",
    model: "policy",
    policyVersion: update - 1,
    sampling: {
      temperature: 1,
      maxTokens: 8,
      stop: [],
      seed: (number * 2654435761) >>> 0,
      allowed: Int32Array.from({ length: 11 }, (_, i) => i),
    },
    startTime: 1000 * update,
    endTime: 1000 * update + 30,
    status: "succeeded",
    httpStatus: 200,
    error: null,
  };
};

export const makeRollout = (
  runId: string,
  number: number,
  update: number,
  more: Partial<Rollout> = {},
): Rollout => ({
  id: rolloutIdOf(runId, number),
  runId,
  number,
  update,
  mode: "train",
  group: Math.floor(number / 8),
  sample: number % 8,
  task: { kind: "copy", text: `task of ${Math.floor(number / 8)}` },
  status: "succeeded",
  reason: null,
  message: null,
  result: `answer ${number}`,
  reward: (number % 5) / 4,
  components: { share: (number % 5) / 4, length: 1 },
  advantage: (number % 5) / 4 - 0.5,
  attempts: 1,
  calls: 1,
  inputTokens: 11,
  outputTokens: 3 + (number % 3),
  policyVersion: update - 1,
  startTime: 1000 * update,
  endTime: 1000 * update + 31,
  ...more,
});

/** Attempt, call and reward of one rollout. */
export function rolloutSpans(rollout: Rollout): Span[] {
  const { runId, number, update, reward, components, startTime } = rollout;
  const endTime = rollout.endTime!;
  const trace = new RolloutTrace(runId, number);
  const root = trace.attempt(1);
  return [
    rolloutSpan(root, { ...rollout, endTime, agent: "copier" }),
    modelCallSpan(trace.below(root), call(number, update)),
    rewardSpan(trace.below(root), { reward, components, reason: null, message: null, startTime, endTime }),
  ];
}

export const agenticMetrics = (update: number, rollouts: number): AgenticUpdate => ({
  update,
  rollouts,
  rewardMean: update / 100,
  rewardStandardDeviation: 0.1,
  successRate: 0.5,
  zeroVarianceGroups: 0.25,
  entropy: 2 / update,
  approximateKl: Number.NaN,
  clipFraction: 0.01,
  gradientNorm: 1,
  loss: -0.1,
  tokens: 100,
  responseLength: 4,
  failed: 0,
  droppedRows: 0,
  truncatedRows: 0,
  learningRate: 1e-3,
  generateTime: 200,
  scoreTime: 10,
  trainTime: 100,
  ...{
    referenceKl: Number.NaN,
    klCoefficient: Number.NaN,
    importance: Number.NaN,
    effectiveSampleShare: Number.NaN,
  },
});

/** Rollouts of one update and all spans, as a trainer commits them. */
export function agenticUpdate(
  runId: string,
  update: number,
  count: number,
): { readonly rollouts: Rollout[]; readonly spans: Span[] } {
  const first = (update - 1) * count;
  const rollouts = Array.from({ length: count }, (_, i) => makeRollout(runId, first + i, update));
  const metrics = agenticMetrics(update, first + count);
  const own = agenticUpdateSpan(runId, metrics, 1000 * update, 1000 * update + 400);
  return { rollouts, spans: [...rollouts.flatMap(rolloutSpans), own] };
}
