import { FulguriteError } from "../gpu/error.ts";
import { random4, stream } from "../kernels/philox.ts";
import type { LanguageEngine } from "../lm/language-engine.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { RunnerClock } from "../runner/index.ts";
import type { AgenticState, Rollout, Run, Span } from "../store/records.ts";
import {
  agenticEvaluationFromSpan,
  agenticEvaluationSpan,
  agenticUpdateFromSpan,
  agenticUpdateSpan,
  type AgenticUpdate,
} from "../trace/agentic-spans.ts";
import { baselineFigures, cloningBaselines, wantsBaseline, type Baseline } from "./baseline.ts";
import { policyShape } from "./character-policy.ts";
import { agenticCurve, type CurveBuffer } from "./curve-buffer.ts";
import { succeeds, type Credit } from "./credit.ts";
import type { AgenticJob } from "./job.ts";
import type { LanguageEngineMaker } from "./language-engine-maker.ts";
import { PolicyStart } from "./policy-start.ts";
import { policyTokenizer } from "./policy-tokenizer.ts";
import { rolloutRecord, rolloutSpans } from "./rollout-records.ts";
import { RolloutMaker, type MadeRollout, type RolloutRequest, type RunHosts } from "./rollout-batch.ts";
import { RunController, type EngineTerms, type RunControllerOptions } from "./run-controller.ts";
import { apart, keepBase, whole } from "./run-weights.ts";
import { PolicyUpdate, responseTokens } from "./policy-update.ts";
import { checkFinite } from "./check-finite.ts";
import { checkLearnable, saidAnything } from "./check-learnable.ts";
import { wilson } from "./wilson.ts";

export interface AgenticRunOptions extends RunControllerOptions {
  readonly createLanguageEngine: LanguageEngineMaker;
  readonly createHosts: (job: AgenticJob) => Promise<RunHosts>;
  readonly clock: RunnerClock;
  /** Runs a function in a later macrotask. */
  readonly defer: (flush: () => void) => void;
}

/**
 * Trains the model behind an agent, synchronously: all rollouts of an update with the same weights, their rewards,
 * advantages over whole groups, rows, one optimizer step. The same job, engine and adapter give the same bits:
 * rollouts are ordered by number, and a completion's noise depends on (seed, rollout, attempt, call) only.
 */
export class AgenticRun extends RunController {
  protected readonly curve: CurveBuffer<AgenticUpdate & { readonly step: number }>;
  readonly #options: AgenticRunOptions;
  readonly #job: AgenticJob;
  readonly #aborted = new AbortController();
  #engine: LanguageEngine | null = null;
  #terms: EngineTerms | null = null;
  #hosts: RunHosts | null = null;
  #tokenizer: Tokenizer | null = null;
  #maker: RolloutMaker | null = null;
  /** Makes rollouts with the run's start. */
  #startMaker: RolloutMaker | null = null;
  #policyUpdate: PolicyUpdate | null = null;
  readonly #start: PolicyStart;
  #baseline: Baseline | null = null;
  #update = 0;
  /** Rollouts made so far, evaluations included: the next one's number. */
  #rollouts = 0;
  #begun = false;
  /** Whether the policy said anything in the first evaluation. */
  #heard = false;
  #spans: Span[] = [];
  #records: Rollout[] = [];
  #written = { spans: 0, records: 0 };
  #saved: AgenticState | null = null;
  #snapshot: AgenticState | null = null;

  constructor(run: Run, job: AgenticJob, options: AgenticRunOptions) {
    super(run, options);
    this.#options = options;
    this.#job = job;
    this.#start = new PolicyStart({
      job,
      ...options,
      onStep: () => {
        this.emit();
        return !this.stopping;
      },
    });
    this.curve = agenticCurve(run.id, () => (this.#baseline ? baselineFigures(this.#baseline) : {}));
  }

  protected get device(): LanguageEngine | null {
    return this.#engine;
  }

  protected get update(): number {
    return this.#update;
  }

  protected get stepsPerUpdate(): number {
    return this.#job.algorithm.groups * this.#job.algorithm.groupSize;
  }

  override stop(): void {
    this.#aborted.abort();
    super.stop();
  }

  protected async restore(): Promise<void> {
    const { store } = this.options;
    if (wantsBaseline(this.#job)) {
      const { notebook } = this.current;
      const runs = await store.runs(notebook === null ? {} : { notebook });
      // What the start's own rollouts teach comes first: the other imitates a policy that learns meanwhile.
      this.#baseline = cloningBaselines(this.current, runs)[0] ?? null;
    }
    const stored = await store.checkpoint(this.current.id);
    if (!stored) return;
    this.#saved = stored.state as AgenticState;
    restoreAgenticCurve(
      this.curve,
      await store.spans({ runId: this.current.id, rolloutId: null }),
      this.stepsPerUpdate,
    );
    this.curve.truncate(this.#saved.update);
  }

  protected async open(pinned: "webgpu" | "cpu" | null, given: EngineTerms): Promise<void> {
    const { seed, policy, algorithm, tasks } = this.#job;
    const evaluated = Math.min(tasks.heldOut.length, algorithm.evaluationTasks);
    const rows = Math.max(this.stepsPerUpdate, evaluated);
    const terms = { ...given, rows, checkpointing: policy.checkpointing ?? false };
    this.#terms = terms;
    this.#hosts ??= await this.#options.createHosts(this.#job);
    const shape = policyShape(policy);
    this.#engine = await this.#options.createLanguageEngine(shape, seed, pinned ?? this.#job.engine, terms);
    this.#tokenizer ??= await policyTokenizer(policy);
    this.#maker = this.#makerOf(this.#engine);
    const { store } = this.options;
    if (this.#saved?.update)
      this.#engine.load(await whole(this.#saved.language, shape, this.current.id, store));
    else await this.#start.weights(this.#engine);
    this.#start.dispose();
    this.#startMaker = null;
    this.#policyUpdate = new PolicyUpdate({
      engine: this.#engine,
      algorithm: this.#job.algorithm,
      allowed: this.#maker.tokenizer.answerIds,
      reference: () => this.#start.reference(this.#engine!, this.#startTerms()),
      seed,
      klFactor: this.#saved?.klFactor ?? 1,
    });
    this.#update = this.#saved?.update ?? 0;
    this.#rollouts = this.#saved?.rollouts ?? 0;
    this.#begun = this.#update > 0;
  }

  override async start(options: { readonly paused?: boolean } = {}): ReturnType<RunController["start"]> {
    try {
      return await super.start(options);
    } finally {
      this.#hosts?.dispose();
      this.#start.dispose();
    }
  }

  protected async advance(): Promise<void> {
    if (!this.#begun) {
      await this.#start.warmUp(this.#engine!, this.#startTerms());
      await keepBase(this.options.store, this.current.id, this.#engine!);
      if (!(await this.#evaluate(0))) return;
      this.#begun = true;
      this.emit(true);
    }
    const update = this.#update + 1;
    if (!(await this.#learn(update))) return;
    this.#update = update;
    const last = update >= this.current.updates;
    if (update % this.#job.algorithm.evaluateEvery === 0 || last) await this.#evaluate(update);
  }

  protected async snapshot(): ReturnType<RunController["snapshot"]> {
    const saved = await this.#engine!.save();
    const language = this.#begun ? apart(saved, this.#engine!.shape) : saved;
    const state: AgenticState = {
      kind: "agentic",
      update: this.#update,
      rollouts: this.#begun ? this.#rollouts : 0,
      language,
      ...(this.#job.algorithm.kind === "grpo" &&
        this.#job.algorithm.adaptiveKl && { klFactor: this.#policyUpdate!.klFactor }),
    };
    this.#snapshot = state;
    // Before the first update a resumed run begins anew, so nothing of it may be kept.
    const kept = this.#begun;
    this.#written = { spans: kept ? this.#spans.length : 0, records: kept ? this.#records.length : 0 };
    const step = this.#update * this.stepsPerUpdate;
    return {
      spans: this.#spans.slice(0, this.#written.spans),
      rollouts: this.#records.slice(0, this.#written.records),
      checkpoint: {
        runId: this.current.id,
        update: this.#update,
        step,
        createdAt: this.options.now(),
        state,
      },
    };
  }

  protected committed(): void {
    this.#spans = this.#spans.slice(this.#written.spans);
    this.#records = this.#records.slice(this.#written.records);
    this.#saved = this.#begun ? this.#snapshot : null;
  }

  protected rewind(): number {
    this.#spans = [];
    this.#records = [];
    return this.#saved?.update ?? 0;
  }

  #startTerms(): EngineTerms {
    return { ...this.#terms!, variant: this.current.variant ?? null };
  }

  #makerOf(engine: LanguageEngine): RolloutMaker {
    const { clock, defer } = this.#options;
    const [job, hosts, tokenizer] = [this.#job, this.#hosts!, this.#tokenizer!];
    return new RolloutMaker({ job, engine, hosts, tokenizer, clock, defer });
  }

  /** What makes the rollouts to learn from. */
  async #teacher(): Promise<RolloutMaker> {
    const { algorithm } = this.#job;
    if (algorithm.kind !== "filtered-cloning" || algorithm.sampledFrom !== "start") return this.#maker!;
    return (this.#startMaker ??= this.#makerOf(await this.#start.anew(this.#engine!, this.#startTerms())));
  }

  /** Batches of rollouts until enough groups tell their siblings apart; null where the run was stopped meanwhile. */
  async #collect(update: number): Promise<Collected | null> {
    const { algorithm } = this.#job;
    const most = (algorithm.kind === "grpo" ? algorithm.generationBatches : undefined) ?? 1;
    const rollouts: MadeRollout[] = [];
    let [generateTime, scoreTime] = [0, 0];
    const taught = new Set<number>();
    const teacher = await this.#teacher();
    for (let batch = 0; batch < most; batch++) {
      const requests = this.#requests(update, batch, most);
      const made = await teacher.make(requests, "train", this.#aborted.signal);
      if (!made) return null;
      this.#rollouts += requests.length;
      rollouts.push(...made.rollouts);
      generateTime += made.generateTime;
      scoreTime += made.scoreTime;
      this.#complain(made.rollouts);
      const { kept } = this.#policyUpdate!.credit(made.rollouts);
      made.rollouts.forEach(({ group }, i) => {
        if (kept[i] && taught.size < algorithm.groups) taught.add(group);
      });
      if (taught.size >= algorithm.groups) break;
    }
    return { rollouts, generateTime, scoreTime, taught: most > 1 ? taught : null };
  }

  #requests(update: number, batch: number, batches: number): RolloutRequest[] {
    const { algorithm, seed, tasks } = this.#job;
    const { groups, groupSize } = algorithm;
    const words = new Uint32Array(4);
    const requests: RolloutRequest[] = [];
    for (let i = 0; i < groups; i++) {
      random4(seed, stream.task, update, batch * groups + i, words);
      const task = tasks.train[words[0]! % tasks.train.length];
      const group = ((update - 1) * batches + batch) * groups + i;
      for (let sample = 0; sample < groupSize; sample++) {
        requests.push({ number: this.#rollouts + requests.length, group, sample, task });
      }
    }
    return requests;
  }

  /** Rollouts, rewards, rows and one optimizer step; false where the run was stopped meanwhile. */
  async #learn(update: number): Promise<boolean> {
    const { algorithm } = this.#job;
    const started = this.options.now();
    const batch = await this.#collect(update);
    if (!batch) return false;
    const { rollouts, taught, generateTime, scoreTime } = batch;
    const trained = this.options.now();
    const { step, credit, counts, learningRate, ...figures } = await this.#policyUpdate!.run(
      rollouts,
      taught,
      update,
    );
    if (update === 1) checkLearnable(rollouts, counts, algorithm, this.#heard);
    if (step) checkFinite(step, update);
    const ended = this.options.now();
    const rewards = Array.from(credit.rewards).filter(Number.isFinite);
    const answered = rollouts.filter(({ final }) => final.status === "succeeded");
    const metrics: AgenticUpdate = {
      update,
      rollouts: update * this.stepsPerUpdate,
      rewardMean: mean(rewards),
      rewardStandardDeviation: deviation(rewards),
      successRate: mean(rewards.map((reward) => Number(succeeds(reward, algorithm)))),
      zeroVarianceGroups: credit.zeroVarianceGroups / credit.groups,
      entropy: step?.entropy ?? Number.NaN,
      approximateKl: step?.approximateKl ?? Number.NaN,
      clipFraction: step?.clipFraction ?? Number.NaN,
      gradientNorm: step?.gradientNorm ?? Number.NaN,
      loss: step?.loss ?? Number.NaN,
      tokens: step?.tokens ?? 0,
      responseLength: mean(answered.map(({ final }) => responseTokens(final.calls))),
      failed: rollouts.length - rewards.length,
      droppedRows: counts.promptTooLong + counts.emptyRows,
      truncatedRows: counts.truncatedRows,
      learningRate,
      generateTime,
      scoreTime,
      trainTime: ended - trained,
      ...figures,
    };
    this.curve.addUpdate({ ...metrics, step: metrics.rollouts });
    this.#keep(rollouts, update, "train", credit);
    this.#spans.push(agenticUpdateSpan(this.current.id, metrics, started, ended));
    return true;
  }

  /** Greedy answers to held-out tasks; false where the run was stopped meanwhile. */
  async #evaluate(update: number): Promise<boolean> {
    this.enter("evaluating");
    const { algorithm, tasks } = this.#job;
    const started = this.options.now();
    const requests = tasks.heldOut.slice(0, algorithm.evaluationTasks).map((task, group) => ({
      number: this.#rollouts + group,
      group,
      sample: 0,
      task,
    }));
    const batch = await this.#maker!.make(requests, "evaluation", this.#aborted.signal);
    if (!batch) return false;
    this.#rollouts += requests.length;
    const { rollouts } = batch;
    if (update === 0) {
      this.#complain(rollouts);
      this.#heard = saidAnything(rollouts);
    }
    const credit = this.#policyUpdate!.credit(rollouts);
    // A rollout that failed solved nothing: here it counts.
    const successes = credit.rewards.filter((reward) => succeeds(reward, algorithm)).length;
    const { low, high } = wilson(successes, rollouts.length);
    const share = successes / rollouts.length;
    const step = update * this.stepsPerUpdate;
    this.curve.addEvaluation({ update, step, mean: share, low, high });
    this.#keep(rollouts, update, "evaluation", credit);
    this.#spans.push(
      agenticEvaluationSpan(
        this.current.id,
        {
          update,
          rollouts: step,
          episodes: rollouts.length,
          success: share,
          successLow: low,
          successHigh: high,
          rewardMean: mean(Array.from(credit.rewards).filter(Number.isFinite)),
        },
        started,
        this.options.now(),
      ),
    );
    return true;
  }

  #keep(rollouts: readonly MadeRollout[], update: number, mode: Rollout["mode"], credit: Credit): void {
    rollouts.forEach((rollout, i) => {
      const advantage = mode === "train" ? credit.advantages[i]! : null;
      const record = rolloutRecord(this.current.id, rollout, {
        update,
        mode,
        reward: credit.rewards[i]!,
        advantage,
      });
      this.#records.push(record);
      this.#spans.push(...rolloutSpans(record, rollout, this.#job.name));
    });
  }

  /** Where nothing at all works there is nothing to learn from: the person's code is at fault, and says where. */
  #complain(rollouts: readonly MadeRollout[]): void {
    if (rollouts.some(({ score }) => score?.ok)) return;
    const { final, score } = rollouts[0]!;
    if (score && !score.ok) {
      throw new FulguriteError(
        "train/reward-failed",
        `The reward failed on every rollout (${score.reason}): ${score.message}`,
        "Mend the reward cell and run again.",
        score.line === null ? {} : { line: score.line },
      );
    }
    // An agent that does not look at a refusal fails of something else a line below.
    const refusal = final.calls.findLast(({ error }) => error !== null)?.error;
    const message = String(final.message);
    const because =
      refusal == null || message.includes(refusal)
        ? ""
        : `${/[.!?]$/.test(message) ? "" : "."} The model had answered it: ${refusal}`;
    throw new FulguriteError(
      "train/agent-failed",
      `The agent failed on every rollout (${String(final.reason)}): ${message}${because}`,
      "Mend the agent cell and run again.",
      final.line === null ? {} : { line: final.line },
    );
  }
}

interface Collected {
  readonly rollouts: readonly MadeRollout[];
  readonly generateTime: number;
  readonly scoreTime: number;
  /** Groups to learn from; null: all. */
  readonly taught: ReadonlySet<number> | null;
}

/** Fills a curve from stored spans, in their order. */
export function restoreAgenticCurve(
  curve: CurveBuffer<AgenticUpdate & { readonly step: number }>,
  spans: readonly Span[],
  stepsPerUpdate: number,
): void {
  for (const span of spans) {
    const metrics = agenticUpdateFromSpan(span);
    if (metrics) curve.addUpdate({ ...metrics, step: metrics.rollouts });
    const evaluation = agenticEvaluationFromSpan(span);
    if (!evaluation) continue;
    const { update, success, successLow, successHigh } = evaluation;
    curve.addEvaluation({
      update,
      step: update * stepsPerUpdate,
      mean: success,
      low: successLow,
      high: successHigh,
    });
  }
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - center) ** 2)));
}
