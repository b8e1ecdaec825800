import type { Rollout, Run, Span } from "../../src/store/records.ts";
import type { EmittedSpan } from "../../src/trace/emitted-span.ts";
import { createEmit } from "../../src/trace/emit.ts";
import { emissionSpans, type RecordedEmission } from "../../src/trace/emission-spans.ts";
import { modelCallSpan, rewardSpan, rolloutSpan } from "../../src/trace/rollout-spans.ts";
import { RolloutTrace } from "../../src/trace/rollout-trace.ts";
import { makeRollout } from "../store/agentic-batch.ts";
import { makeRun } from "../store/contract.ts";

export interface RichRun {
  readonly run: Run;
  readonly rollouts: readonly Rollout[];
  readonly spans: readonly Span[];
}

/**
 * A run of three rollouts with all that a rollout can have: two attempts, the first failed; a reward of several dimensions, an
 * exception, operations in one another; token ids; texts beyond ASCII, lone surrogates and integers beyond 2^53; one that has no
 * spans yet.
 */
export function richRun(runId: string): RichRun {
  const start = 1_795_000_000_000.25;
  const emissions: RecordedEmission[] = [];
  const put = (kind: RecordedEmission["kind"], name: string, value: unknown): void => {
    emissions.push({ kind, name, value, time: start + 100 + emissions.length });
  };
  const emit = createEmit(
    (span: EmittedSpan) => {
      put("span", span.type, span);
    },
    (name, value) => {
      put("emit", name, value);
    },
  );
  emit("entwurf", { größe: 1, 日本: ["語", "\ud800"], big: 12_345_678_901_234_567_890n });
  emit.operation("outer ⚡", (outer) => {
    outer.input({ question: "¿qué?" });
    return outer.operation("inner", (inner) => {
      inner.message("In der Mitte – ñ");
      inner.exception(new TypeError("kaputt: ü"));
      return { rows: [1, 2.5, null] };
    });
  });
  emit.reward({ style: 0.25, exact: 1 }, { primary: "exact", tags: ["checked"] });
  emit.annotation({ "gen_ai.response.id": "r-9", size: 2 ** 60 });
  const task = {
    prompt: "Wie heißt 東京? 🗼",
    id: 9_007_199_254_740_993n,
    lone: "\udc00",
    bytes: Uint8Array.of(0, 255),
    at: new Map([["now", new Date(5)]]),
  };
  const twice = makeRollout(runId, 0, 3, {
    task,
    result: { answer: "Tōkyō 🗼", score: -0 },
    reward: 1,
    components: { exact: 1, style: 0.25 },
    advantage: -0.125,
    attempts: 2,
    attemptList: [1, 2].map((sequence) => ({
      id: `${runId}/0.${sequence}`,
      sequence,
      status: sequence === 1 ? "failed" : "succeeded",
      startTime: start + sequence,
      endTime: start + 200 * sequence,
      workerId: `frame-${sequence}`,
      lastHeartbeat: null,
      metadata: { try: sequence },
    })),
    startTime: start,
    endTime: start + 400,
    config: { timeout: 1000, unresponsive: null, maxAttempts: 2, retryOn: ["failed"] },
    metadata: { note: "größer" },
    version: 4,
  });
  const failed = makeRollout(runId, 1, 3, {
    mode: "evaluation",
    group: 7,
    sample: 0,
    task: "b",
    status: "failed",
    reason: "threw",
    message: "TypeError: wörter",
    result: null,
    reward: null,
    components: {},
    advantage: null,
    calls: 0,
    startTime: start + 1,
    endTime: start + 2,
  });
  const waiting = makeRollout(runId, 2, 4, {
    status: "queuing",
    result: undefined,
    reward: null,
    components: {},
    advantage: null,
    attempts: 0,
    attemptList: [],
    calls: 0,
    startTime: start + 500,
    endTime: null,
  });
  const trace = new RolloutTrace(runId, 0);
  const agent = "übersetzer";
  const first = trace.attempt(1);
  const broken = { ...twice, status: "failed", reason: "threw", message: "nein" } as const;
  const spans: Span[] = [rolloutSpan(first, { ...broken, agent, startTime: start + 1, endTime: start + 50 })];
  const root = trace.attempt(2);
  spans.push(
    rolloutSpan(root, { ...twice, agent, startTime: start + 60, endTime: start + 400 }),
    modelCallSpan(trace.below(root), {
      callIndex: 0,
      choice: 0,
      route: "chat.completions",
      request: { model: "policy", messages: [{ role: "user", content: task.prompt }], tools: [] },
      responseText: "Tōkyō 🗼",
      promptTokens: Int32Array.of(1, 2, 2_147_483_647),
      responseTokens: Int32Array.of(7, 0, 5),
      samplerLogProbabilities: Float32Array.of(-0.1, Number.NEGATIVE_INFINITY, -3),
      logProbabilities: Float32Array.of(-0.2, Number.NaN, -0),
      finishReason: "stop",
      requestedModel: "policy",
      model: "policy",
      policyVersion: 2,
      sampling: { temperature: 0.7, maxTokens: 16, stop: ["\n"], seed: 4_294_967_295, allowed: null },
      startTime: start + 70,
      endTime: start + 90.125,
      status: "succeeded",
      httpStatus: 200,
      error: null,
    }),
    ...emissionSpans(trace, root, emissions, start + 390),
    rewardSpan(trace.below(root), {
      reward: 1,
      components: twice.components,
      reason: null,
      message: null,
      startTime: start + 400,
      endTime: start + 401,
    }),
  );
  const failedRoot = new RolloutTrace(runId, 1).attempt(1);
  spans.push(rolloutSpan(failedRoot, { ...failed, agent, startTime: failed.startTime, endTime: start + 2 }));
  const run = makeRun(runId, { status: "running", kind: "agentic", name: "Städte 🗼" });
  return { run, rollouts: [twice, failed, waiting], spans };
}
