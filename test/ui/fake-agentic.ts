import { characterTokenizer } from "../../src/lm/tokenizer.ts";
import { compareRewards } from "../../src/reward/rescore.ts";
import { grpo } from "../../src/rl/grpo.ts";
import type { CodeSource } from "../../src/runner/agent-source.ts";
import type { Attempt } from "../../src/store/lightning-records.ts";
import type { Rollout, Span } from "../../src/store/records.ts";
import type { AgenticUpdate } from "../../src/trace/agentic-spans.ts";
import { agentEmissionSpan } from "../../src/trace/emission-spans.ts";
import { modelCallSpan, rewardSpan, rolloutSpan } from "../../src/trace/rollout-spans.ts";
import { RolloutTrace } from "../../src/trace/rollout-trace.ts";
import type { AgenticJob } from "../../src/train/job.ts";
import type { RescoreResult } from "../../src/train/rescore.ts";

/**
 * Rollouts without a model: a hand that copies strings, and errs less with every update. For the gallery and its
 * tests only.
 */
const symbols = "abcdefghij";
const tokenizer = characterTokenizer(symbols);
const GROUPS = 4;
const SIBLINGS = 8;
const HELD_OUT = 60;
const UPDATE_MS = 400;

export const rewardSource = (entry = "reward"): CodeSource => ({
  code: "const share = (task, result) => [...task].filter((c, i) => c === result[i]).length / task.length;",
  entry,
  values: {},
});

function draw(length: number, next: () => number): string {
  const left = [...symbols];
  return Array.from({ length }, () => left.splice(Math.floor(next() * left.length), 1)[0]!).join("");
}

export function agenticJob(next: () => number): AgenticJob {
  const tasks = Array.from({ length: 400 }, () => draw(4, next));
  return {
    kind: "agentic",
    agent: { code: "async function copyist(task) {}", entry: "copyist", values: {} },
    reward: rewardSource(),
    tasks: { train: tasks.slice(HELD_OUT), heldOut: tasks.slice(0, HELD_OUT) },
    policy: { alphabet: symbols, width: 64, layers: 2, heads: 4, feedForward: 128, maxLength: 64 },
    algorithm: grpo({
      groups: GROUPS,
      groupSize: SIBLINGS,
      updates: 60,
      evaluateEvery: 5,
      evaluationTasks: HELD_OUT,
    }),
    warmStart: null,
    timeout: 10_000,
    deterministic: false,
    seed: 1,
    name: "Copy",
    engine: "auto",
  };
}

interface Made {
  readonly rollout: Rollout;
  readonly call: { readonly ids: Int32Array; readonly logProbabilities: Float32Array };
}

/** What a runner lost and another one was too slow for. */
function triedTwice(startTime: number): Pick<Rollout, "attempts" | "attemptList"> {
  const attempt = (sequence: number): Omit<Attempt, "status" | "endTime"> => ({
    id: `at-${sequence}`,
    sequence,
    startTime,
    workerId: `runner-${sequence}`,
    lastHeartbeat: null,
    metadata: null,
  });
  return {
    attempts: 2,
    attemptList: [
      { ...attempt(1), status: "failed", endTime: startTime + 400 },
      { ...attempt(2), status: "timeout", endTime: null },
    ],
  };
}

/** All rollouts of a fake run; spans are made when they are asked for. */
export class FakeRollouts {
  readonly made: Made[] = [];
  readonly #runId: string;
  readonly #job: AgenticJob;
  readonly #next: () => number;
  #time = 1_795_000_000_000;

  constructor(runId: string, job: AgenticJob, next: () => number) {
    this.#runId = runId;
    this.#job = job;
    this.#next = next;
  }

  /** One update's rollouts, and what was measured. */
  update(update: number): AgenticUpdate & { readonly step: number } {
    const { train } = this.#job.tasks;
    const skill = skillAt(update);
    const groups = Array.from({ length: GROUPS }, (_, i) => {
      const group = (update - 1) * GROUPS + i;
      const task = String(train[group % train.length]);
      return this.#group(task, group, update, skill);
    });
    this.#time += UPDATE_MS;
    const rewards = groups.flat().flatMap(({ reward }) => (reward === null ? [] : [reward]));
    const mean = average(rewards);
    const zero = groups.filter((group) => new Set(group.map(({ reward }) => reward)).size === 1).length;
    const rollouts = update * GROUPS * SIBLINGS;
    return {
      update,
      step: rollouts,
      rollouts,
      rewardMean: mean,
      rewardStandardDeviation: Math.sqrt(average(rewards.map((reward) => (reward - mean) ** 2))),
      successRate: rewards.filter((reward) => reward === 1).length / rewards.length,
      zeroVarianceGroups: zero / GROUPS,
      entropy: 2.3 * (1 - skill) + 0.08,
      approximateKl: 0.004 + 0.01 * this.#next(),
      clipFraction: 0.05 + 0.05 * this.#next(),
      gradientNorm: 0.4 + 0.3 * this.#next(),
      loss: -0.01,
      tokens: rewards.length * 5,
      responseLength: 5,
      failed: GROUPS * SIBLINGS - rewards.length,
      droppedRows: 0,
      truncatedRows: 0,
      learningRate: 1e-3,
      generateTime: 120,
      scoreTime: 8,
      trainTime: 90,
      ...{
        referenceKl: Number.NaN,
        klCoefficient: Number.NaN,
        importance: Number.NaN,
        effectiveSampleShare: Number.NaN,
      },
    };
  }

  #group(task: string, group: number, update: number, skill: number): Rollout[] {
    const made = Array.from({ length: SIBLINGS }, (_, sample) => {
      return this.#make(task, { group, sample, update, mode: "train" }, skill);
    });
    const rewards = made.flatMap(({ rollout: { reward } }) => (reward === null ? [] : [reward]));
    const mean = average(rewards);
    return made.map((one) => {
      const { reward } = one.rollout;
      const rollout = { ...one.rollout, advantage: reward === null ? null : reward - mean };
      this.made.push({ ...one, rollout });
      return rollout;
    });
  }

  /** Held-out tasks after an update; the share that was solved. */
  evaluate(update: number): number {
    const skill = skillAt(update) ** 0.7;
    const solved = this.#job.tasks.heldOut.map((task, group) => {
      const one = this.#make(String(task), { group, sample: 0, update, mode: "evaluation" }, skill);
      this.made.push(one);
      return one.rollout.reward === 1 ? 1 : 0;
    });
    this.#time += UPDATE_MS / 2;
    return average(solved);
  }

  #number = 0;

  #make(task: string, place: Pick<Rollout, "group" | "sample" | "update" | "mode">, skill: number): Made {
    const next = this.#next;
    const number = this.#number++;
    const logProbabilities: number[] = [];
    const answer = [...task]
      .map((character) => {
        const right = next() < skill;
        const sure = right ? 0.35 + 0.64 * skill : 0.02 + 0.2 * next();
        logProbabilities.push(Math.log(sure - 0.1 * next() * sure));
        return right ? character : symbols[Math.floor(next() * symbols.length)]!;
      })
      .join("");
    logProbabilities.push(Math.log(0.97));
    const fate = place.mode === "train" ? next() : 1;
    const failure = fate < 0.02 ? "timed-out" : fate < 0.03 ? "threw" : null;
    const score = [...task].filter((character, i) => character === answer[i]).length / task.length;
    const startTime = this.#time + Math.floor(next() * 60);
    const calls = failure === "threw" ? 0 : 1;
    const rollout: Rollout = {
      id: `${this.#runId}/${number}`,
      runId: this.#runId,
      number,
      ...place,
      task,
      status: failure === null ? "succeeded" : failure === "threw" ? "failed" : "timeout",
      reason: failure,
      message:
        failure === "threw"
          ? "TypeError: task.split is not a function"
          : failure === null
            ? null
            : "It was not done after 10 seconds.",
      result: failure === null ? answer : null,
      reward: failure === null ? score : null,
      components: failure === null ? { right: score, length: 1 } : {},
      advantage: null,
      ...(failure === "timed-out" ? triedTwice(startTime) : { attempts: 1 }),
      calls,
      inputTokens: calls * 6,
      outputTokens: calls * 5,
      policyVersion: Math.max(0, place.update - 1),
      startTime,
      endTime: startTime + (failure === "timed-out" ? 10_000 : 24 + next() * 12),
    };
    const ids = Int32Array.from([...tokenizer.encode(answer), tokenizer.eos]);
    return { rollout, call: { ids, logProbabilities: Float32Array.from(logProbabilities) } };
  }

  spans(rolloutId: string): Span[] {
    const found = this.made.find(({ rollout }) => rollout.id === rolloutId);
    if (!found) return [];
    const { rollout, call } = found;
    const { startTime, task, reward } = rollout;
    const endTime = rollout.endTime!;
    const trace = new RolloutTrace(this.#runId, rollout.number);
    const root = trace.attempt(1);
    const spans = [rolloutSpan(root, { ...rollout, endTime, agent: "copyist" })];
    if (rollout.calls > 0) {
      spans.push(
        modelCallSpan(trace.below(root), {
          callIndex: 0,
          choice: 0,
          route: "chat.completions",
          request: { model: "policy", messages: [{ role: "user", content: task }] },
          responseText: tokenizer.decode(call.ids),
          promptTokens: tokenizer.renderChat([{ role: "user", content: String(task) }]),
          responseTokens: call.ids,
          samplerLogProbabilities: call.logProbabilities.map((value) => value * 0.98),
          logProbabilities: call.logProbabilities,
          finishReason: "stop",
          requestedModel: "policy",
          model: "policy",
          policyVersion: rollout.policyVersion,
          sampling: { temperature: 1, maxTokens: 16, stop: [], seed: 12_345, allowed: null },
          startTime: startTime + 1,
          endTime: Math.min(endTime - 1, startTime + 26),
          status: "succeeded",
          httpStatus: 200,
          error: null,
        }),
      );
    }
    if (rollout.status === "succeeded") {
      const time = endTime - 3;
      spans.push(
        agentEmissionSpan(trace.below(root), { kind: "emit", name: "draft", value: rollout.result, time }),
      );
      spans.push(
        rewardSpan(trace.below(root), {
          reward,
          components: rollout.components,
          reason: null,
          message: null,
          startTime: endTime,
          endTime: endTime + 2.4,
        }),
      );
    }
    return spans;
  }

  /** As if the reward were all or nothing. */
  rescore(): RescoreResult {
    const rollouts = this.made
      .filter(({ rollout }) => rollout.mode === "train" && rollout.status === "succeeded")
      .map(({ rollout: { id, number, group, update, reward, result, task } }) => {
        const first = String(result)[0] === String(task)[0] ? 0.5 : 0;
        return { id, number, group, update, old: reward, new: reward === 1 ? 1 : first };
      });
    const rows = rollouts.map((rollout) => ({ ...rollout, group: String(rollout.group) }));
    return { rollouts, failures: {}, comparison: compareRewards({ rollouts: rows }) };
  }
}

/** Chance of a right character. */
const skillAt = (update: number): number => 0.12 + 0.87 * (1 - Math.exp(-((update / 26) ** 2)));

const average = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
