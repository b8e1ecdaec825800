import { createGateway, seedsOfRun, type Gateway } from "../gateway/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { LanguageEngine } from "../lm/language-engine.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import {
  RolloutController,
  type AgentHost,
  type FinishedAttempt,
  type RewardHost,
  type RunnerClock,
} from "../runner/index.ts";
import type { ScoreOutcome } from "../runner/reward-host.ts";
import type { AgenticJob } from "./job.ts";

/** Where a run's agents and its reward run. */
export interface RunHosts {
  readonly agents: readonly AgentHost[];
  readonly reward: RewardHost;
  dispose(): void;
}

/** A rollout to make. */
export interface RolloutRequest {
  readonly number: number;
  readonly group: number;
  readonly sample: number;
  readonly task: unknown;
}

/** A rollout with all its attempts and, where it succeeded, what its reward said. */
export interface MadeRollout extends RolloutRequest {
  readonly attempts: readonly FinishedAttempt[];
  /** The last attempt. */
  readonly final: FinishedAttempt;
  /** Null where no attempt succeeded. */
  readonly score: ScoreOutcome | null;
}

export interface RolloutBatch {
  /** By number, whatever order they ended in. */
  readonly rollouts: readonly MadeRollout[];
  /** Milliseconds. */
  readonly generateTime: number;
  readonly scoreTime: number;
}

export interface RolloutMakerOptions {
  readonly job: AgenticJob;
  readonly engine: LanguageEngine;
  readonly hosts: RunHosts;
  /** The policy's. */
  readonly tokenizer: Tokenizer;
  readonly clock: RunnerClock;
  /** Runs a function in a later macrotask. */
  readonly defer: (flush: () => void) => void;
}

/** Makes batches of rollouts of one run: agents through the gateway, then their rewards in one go. */
export class RolloutMaker {
  readonly tokenizer: Tokenizer;
  readonly #options: RolloutMakerOptions;
  readonly #gateway: Gateway;
  readonly #seedFor: ReturnType<typeof seedsOfRun>;

  constructor(options: RolloutMakerOptions) {
    const { job, engine, clock, defer } = options;
    this.#options = options;
    this.#seedFor = seedsOfRun(job.seed);
    this.tokenizer = options.tokenizer;
    this.#gateway = createGateway({
      engine,
      tokenizer: this.tokenizer,
      now: () => clock.now(),
      seedFor: this.#seedFor,
      // Calls are read from the attempts that made them.
      record: () => undefined,
      defer,
    });
  }

  /** Null where `signal` aborted before all were done. */
  async make(
    requests: readonly RolloutRequest[],
    mode: "train" | "evaluation",
    signal: AbortSignal,
  ): Promise<RolloutBatch | null> {
    const { job, hosts, clock } = this.#options;
    const { algorithm, timeout } = job;
    const controller = new RolloutController({
      hosts: hosts.agents,
      gateway: this.#gateway,
      clock,
      mode,
      sampling: {
        temperature: mode === "train" ? algorithm.temperature : 0,
        maxTokens: algorithm.maxTokens,
        allowed: this.tokenizer.answerIds,
      },
      randomSeedFor: job.deterministic
        ? (attempt) => this.#seedFor({ ...attempt, mode, callIndex: -1, choice: 0, requestSeed: null })
        : null,
      limits: { timeout, concurrency: requests.length },
    });
    const attempts = new Map<number, FinishedAttempt[]>(requests.map(({ number }) => [number, []]));
    const started = clock.now();
    const tasks = requests.map(({ number, task, sample }) => ({ rolloutId: String(number), task, sample }));
    for await (const attempt of controller.run(tasks, signal)) {
      attempts.get(Number(attempt.rolloutId))!.push(attempt);
    }
    if (signal.aborted) return null;
    if (job.deterministic) refuseClock(attempts.values());
    const generated = clock.now();
    const finals = requests.map(({ number }) => attempts.get(number)!.at(-1)!);
    const succeeded = finals.filter((it) => it.status === "succeeded");
    const outcomes = await hosts.reward.score(
      succeeded.map(({ rolloutId, task, result, calls }) => ({
        rolloutId,
        task,
        result,
        transcript: calls.map(({ request, responseText }) => ({ request, response: responseText })),
      })),
    );
    const scores = new Map(outcomes.map((it) => [it.rolloutId, it]));
    return {
      rollouts: requests.map((request, i) => ({
        ...request,
        attempts: attempts.get(request.number)!,
        final: finals[i]!,
        score: scores.get(String(request.number)) ?? null,
      })),
      generateTime: generated - started,
      scoreTime: clock.now() - generated,
    };
  }
}

/** What the clock ended might not end again: such a run would not repeat. */
function refuseClock(rollouts: Iterable<readonly FinishedAttempt[]>): void {
  for (const attempts of rollouts) {
    const ended = attempts.find(({ reason }) => reason === "timed-out" || reason === "frame-lost");
    if (!ended) continue;
    throw new FulguriteError(
      "train/not-repeatable",
      `Rollout ${ended.rolloutId} was ended by the clock (${String(ended.reason)}), so that this run would not repeat bit for bit.`,
      "Raise `timeout`, mend the agent, or leave `deterministic` out.",
    );
  }
}
