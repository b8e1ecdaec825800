import { compileLoss } from "../compile/compile-loss.ts";
import { compileStepReward, type CompiledStepReward } from "../compile/compile.ts";
import { actionSize } from "../env/environment.ts";
import { environmentByName } from "../env/registry.ts";
import type { HostStepper } from "../env/host-environment.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { EngineRequest, TrainingEngine, TrainingState, UpdateMetrics } from "../rl/engine.ts";
import { completeConfig } from "../rl/resolve-config.ts";
import { evaluateAnywhere, recordAnywhere } from "../rl/evaluate.ts";
import { describeNonFinite, findNonFinite, fixNonFinite } from "../rl/find-non-finite.ts";
import type { Run, Span } from "../store/records.ts";
import { evaluationFromSpan, evaluationSpan, metricsFromSpan, updateSpan } from "../trace/training-spans.ts";
import { simulatedCurve } from "./curve-buffer.ts";
import type { CurveBuffer, TimedUpdate } from "./curve-buffer.ts";
import type { RewardSource, SimulatedJob } from "./job.ts";
import { stoppedWords } from "./check-finite.ts";
import { RunController, type EngineTerms, type RunControllerOptions } from "./run-controller.ts";

const EVALUATIONS_PER_RUN = 20;
const EVALUATION_EPISODES = 10;
/** Nats by which no working update moves its policy. */
const DIVERGED_KL = 10;

export interface SimulatedRunOptions extends RunControllerOptions {
  readonly createEngine: (
    request: EngineRequest,
    choice: SimulatedJob["engine"],
    terms: EngineTerms,
  ) => Promise<TrainingEngine>;
  /** Who steps the job's host environment, where that is not in this realm. */
  readonly host?: HostStepper | null;
}

/** The engine's request for a job: environment looked up, reward and cost compiled. Throws `FulguriteError`. */
export function engineRequest(job: SimulatedJob): EngineRequest & {
  readonly reward: CompiledStepReward | null;
  readonly cost: CompiledStepReward | null;
} {
  const environment = environmentByName(job.environment);
  const compiled = (source: RewardSource | null): CompiledStepReward | null =>
    source &&
    compileStepReward(source.source, {
      constants: source.constants,
      functions: source.functions ?? {},
      stateFields: environment.stateFields,
      actionCount: environment.actionCount,
      actionSize: actionSize(environment),
      line: source.line,
    });
  return {
    environment,
    reward: compiled(job.reward),
    cost: compiled(job.cost ?? null),
    loss: job.loss ? compileLoss(job.loss.source, { functions: {}, ...job.loss }) : null,
    algorithm: completeConfig(job.algorithm),
    seed: job.seed,
  };
}

/** Fills a curve from stored spans, in their order. */
export function restoreCurve(
  curve: CurveBuffer<TimedUpdate>,
  spans: readonly Span[],
  stepsPerUpdate: number,
): void {
  for (const span of spans) {
    const metrics = metricsFromSpan(span);
    if (metrics) {
      const stepsPerSecond = rate(stepsPerUpdate, span.startTime, span.endTime ?? NaN);
      curve.addUpdate({ ...metrics, stepsPerSecond });
    }
    const evaluation = evaluationFromSpan(span);
    if (evaluation) curve.addEvaluation(evaluation);
  }
}

/** Trains a policy in a simulated environment: every update is one submit; evaluations are greedy episodes. */
export class SimulatedRun extends RunController {
  protected readonly curve: CurveBuffer<TimedUpdate>;
  readonly #createEngine: SimulatedRunOptions["createEngine"];
  readonly #job: SimulatedJob;
  readonly #request: EngineRequest;
  readonly #interruption = new AbortController();
  readonly #evaluateEvery: number;
  #engine: TrainingEngine | null = null;
  #pending: Span[] = [];
  /** Spans of the last snapshot; durable once it is committed. */
  #written = 0;
  #lastState: TrainingState | null = null;
  #snapshot: TrainingState | null = null;
  #fault: FulguriteError | null = null;
  /** Update in which something became no number. */
  #notFiniteIn = 0;
  #spanTime: number;
  /** Something else than training took time since the last update. */
  #rested = true;

  constructor(run: Run, job: SimulatedJob, options: SimulatedRunOptions) {
    super(run, options);
    this.#createEngine = options.createEngine;
    this.#job = job;
    this.#request = this.#interruptible(engineRequest(job), options.host ?? null);
    this.curve = simulatedCurve(run.id);
    this.#evaluateEvery = Math.max(1, Math.ceil(run.updates / EVALUATIONS_PER_RUN));
    this.#spanTime = options.now();
  }

  protected override interrupt(): void {
    this.#interruption.abort();
  }

  /** Environments of another realm may never answer: a run that is stopped waits no longer. */
  #interruptible(request: EngineRequest, other: HostStepper | null): EngineRequest {
    if (!request.environment.host) return request;
    const host = other ?? request.environment.host;
    const { signal } = this.#interruption;
    const untilStopped = <T>(work: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        const stop = (): void => {
          reject(new FulguriteError("train/interrupted", "The run was stopped.", "Start it again."));
        };
        if (signal.aborted) stop();
        signal.addEventListener("abort", stop, { once: true });
        work.then(resolve, reject).finally(() => {
          signal.removeEventListener("abort", stop);
        });
      });
    const interruptible: HostStepper = {
      run: (batch) => untilStopped(host.run(batch)),
      // The last checkpoint of a run that is stopped does without: its environments may never answer again.
      save: (indices) => (signal.aborted ? Promise.resolve(null) : untilStopped(host.save(indices))),
      load: (indices, saved) => untilStopped(host.load(indices, saved)),
    };
    return { ...request, environment: { ...request.environment, host: interruptible } };
  }

  protected get device(): TrainingEngine | null {
    return this.#engine;
  }

  protected get update(): number {
    return this.#engine?.update ?? this.current.update;
  }

  protected get stepsPerUpdate(): number {
    return this.#job.algorithm.envs * this.#job.algorithm.steps;
  }

  protected async restore(): Promise<void> {
    const { store } = this.options;
    const stored = await store.checkpoint(this.current.id);
    if (!stored) return;
    restoreCurve(this.curve, await store.spans({ runId: this.current.id }), this.stepsPerUpdate);
    this.#lastState = stored.state as TrainingState;
    this.curve.truncate(this.#lastState.update);
  }

  protected async open(pinned: "webgpu" | "cpu" | null, terms: EngineTerms): Promise<void> {
    const engine = await this.#createEngine(this.#request, pinned ?? this.#job.engine, terms);
    this.#engine = engine;
    if (this.#lastState) engine.load(this.#lastState);
    engine.onMetrics = (metrics) => {
      this.#take(metrics);
    };
  }

  protected async advance(): Promise<void> {
    await this.#refuse();
    const engine = this.#engine!;
    if (this.#rested) this.#spanTime = this.options.now();
    this.#rested = false;
    await engine.submit();
    const last = engine.update >= this.current.updates;
    if (engine.update % this.#evaluateEvery === 0 || last) await this.#evaluate();
  }

  protected async snapshot(): ReturnType<RunController["snapshot"]> {
    const engine = this.#engine!;
    await engine.flush();
    await this.#refuse();
    const state = await engine.save();
    this.#snapshot = state;
    this.#written = this.#pending.length;
    const { update } = state;
    const step = update * this.stepsPerUpdate;
    return {
      spans: this.#pending.slice(),
      checkpoint: { runId: this.current.id, update, step, createdAt: this.options.now(), state },
    };
  }

  protected committed(): void {
    this.#pending = this.#pending.slice(this.#written);
    this.#written = 0;
    this.#lastState = this.#snapshot;
    this.#rested = true;
  }

  protected rewind(): number {
    this.#engine!.onMetrics = null;
    const from = this.#lastState?.update ?? 0;
    this.#pending = this.#pending.filter((span) => Number(span.attributes["update"]) <= from);
    return from;
  }

  /** A run on demonstrations has no rewards. */
  get #watched(): readonly "rewardMean"[] {
    return this.#job.algorithm.kind === "behaviour-cloning" ? [] : ["rewardMean"];
  }

  #take(metrics: UpdateMetrics): void {
    // A reward that is no number spoils everything after it: it is named first.
    const what = ([...this.#watched, "policyLoss", "valueLoss", "gradientNorm", "entropy"] as const).find(
      (name) => !Number.isFinite(metrics[name]),
    );
    if (what !== undefined) {
      this.#notFiniteIn ||= metrics.update;
      this.#fault ??= new FulguriteError(
        "train/not-finite",
        `${what} became ${String(metrics[what])} in update ${metrics.update}; ${stoppedWords(metrics.update)}`,
        what === "rewardMean"
          ? "Look for a division by zero, a logarithm or a root of a negative number in the reward."
          : "Lower the learning rate, or look for very large rewards.",
      );
      return;
    }
    // Of demonstrations there is no old policy to be far from.
    if (this.#job.algorithm.kind !== "behaviour-cloning" && !(metrics.approximateKl <= DIVERGED_KL)) {
      this.#fault ??= new FulguriteError(
        "train/diverged",
        `Update ${metrics.update} moved the policy by ${metrics.approximateKl.toFixed(1)} nats (approximateKl); ${stoppedWords(metrics.update)}`,
        "Lower the learning rate or the number of epochs, or end an update's epochs early with klStop.",
      );
    }
    if (this.#fault) return;
    const now = this.options.now();
    this.#pending.push(updateSpan(this.current.id, metrics, this.#spanTime, now));
    const stepsPerSecond = rate(this.stepsPerUpdate, this.#spanTime, now);
    this.#spanTime = now;
    this.curve.addUpdate({ ...metrics, stepsPerSecond });
  }

  /** Rejects with the fault where there is one, and with the first step that shows it where that can be found. */
  async #refuse(): Promise<void> {
    if (!this.#fault) return;
    const { environment, algorithm } = this.#request;
    if (this.#notFiniteIn > 0 && this.#lastState && !algorithm.demonstrations && !environment.host) {
      const place = await findNonFinite(this.#request, this.#lastState, this.#notFiniteIn);
      const { code, message } = this.#fault;
      this.#notFiniteIn = 0;
      if (place) {
        this.#fault = new FulguriteError(code, `${message} ${describeNonFinite(place)}`, fixNonFinite(place));
      }
    }
    throw this.#fault;
  }

  async #evaluate(): Promise<void> {
    this.enter("evaluating");
    this.#rested = true;
    const engine = this.#engine!;
    await engine.flush();
    const state = await engine.save();
    await this.#refuse();
    const started = this.options.now();
    const evaluation = { ...this.#request, state };
    const { environmentReturns, lengths, components } = await evaluateAnywhere({
      ...evaluation,
      episodes: EVALUATION_EPISODES,
    });
    const point = {
      update: state.update,
      step: state.update * this.stepsPerUpdate,
      mean: mean(environmentReturns),
      low: Math.min(...environmentReturns),
      high: Math.max(...environmentReturns),
      components,
    };
    this.curve.addEvaluation(point);
    this.#pending.push(
      evaluationSpan(
        this.current.id,
        { ...point, episodes: EVALUATION_EPISODES, lengthMean: mean(lengths) },
        started,
        this.options.now(),
      ),
    );
    const { update, step } = point;
    const { environment } = this.#job;
    this.emitEpisode({
      runId: this.current.id,
      environment,
      update,
      step,
      ...(await recordAnywhere(evaluation)),
    });
  }
}

/** Of a clock that counts whole milliseconds; NaN where it did not move. */
const rate = (steps: number, from: number, to: number): number =>
  to > from ? (steps * 1000) / (to - from) : NaN;

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
