import { compileStepReward, type CompiledStepReward } from "../compile/compile.ts";
import { environmentByName } from "../env/registry.ts";
import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import type { EngineRequest, TrainingEngine, TrainingState, UpdateMetrics } from "../rl/engine.ts";
import { evaluateGreedy, recordEpisode } from "../rl/evaluate.ts";
import type { LightningStore, Run, Span } from "../store/records.ts";
import { evaluationFromSpan, evaluationSpan, metricsFromSpan, updateSpan } from "../trace/training-spans.ts";
import { CurveBuffer } from "./curve-buffer.ts";
import type { Curve, EpisodeReplay, RunEvent } from "./events.ts";
import type { RunProgress, SimulatedJob, TrainResult } from "./job.ts";

/** Acknowledged work is at most this old, or one update, whichever is longer. */
const COMMIT_INTERVAL_MS = 700;
const EVENT_INTERVAL_MS = 200;
const EVALUATIONS_PER_RUN = 20;
const EVALUATION_EPISODES = 10;
/** A device that is lost this often in one run is not coming back. */
const MAX_DEVICE_LOSSES = 3;

export interface SimulatedRunOptions {
  readonly store: LightningStore;
  readonly createEngine: (request: EngineRequest, choice: SimulatedJob["engine"]) => Promise<TrainingEngine>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly onEvent: (event: RunEvent) => void;
}

/** The engine's request for a job: environment looked up, reward compiled. Throws `FulguriteError`. */
export function engineRequest(
  job: SimulatedJob,
): EngineRequest & { readonly reward: CompiledStepReward | null } {
  const environment = environmentByName(job.environment);
  const reward =
    job.reward === null
      ? null
      : compileStepReward(job.reward.source, {
          constants: job.reward.constants,
          stateFields: environment.stateFields,
          actionCount: environment.actionCount,
          line: job.reward.line,
        });
  return { environment, reward, algorithm: job.algorithm, seed: job.seed };
}

/** Fills a curve from stored spans, in their order. */
export function restoreCurve(curve: CurveBuffer, spans: readonly Span[]): void {
  for (const span of spans) {
    const metrics = metricsFromSpan(span);
    if (metrics) curve.addUpdate(metrics);
    const evaluation = evaluationFromSpan(span);
    if (evaluation) curve.addEvaluation(evaluation);
  }
}

/** Updates in a whole run. */
export function updateCount(job: SimulatedJob): number {
  const { envs, steps, totalSteps } = job.algorithm;
  return Math.max(1, Math.floor(totalSteps / (envs * steps)));
}

/**
 * One simulated training run from start, or from its stored checkpoint, to its end: drives the engine update
 * by update, evaluates, commits spans and checkpoint together, and tells listeners. Whoever owns it holds the
 * run's lock.
 */
export class SimulatedRun {
  readonly #options: SimulatedRunOptions;
  readonly #job: SimulatedJob;
  readonly #request: EngineRequest;
  readonly #evaluateEvery: number;
  readonly #curve: CurveBuffer;
  #run: Run;
  #engine: TrainingEngine | null = null;
  #pending: Span[] = [];
  #lastState: TrainingState | null = null;
  #fault: FulguriteError | null = null;
  #paused = false;
  #stepping = false;
  #stopping = false;
  #wake: (() => void) | null = null;
  #phase: RunProgress["phase"] = "starting";
  #losses = 0;
  #lastCommitAt = 0;
  #lastEventAt = 0;
  #sentUpdates = 0;
  #sentEvaluations = 0;
  #millisecondsPerUpdate: number | null = null;
  #activeSince: number | null = null;
  #lastEpisode: EpisodeReplay | null = null;
  #spanTime: number;

  constructor(run: Run, job: SimulatedJob, options: SimulatedRunOptions) {
    this.#run = run;
    this.#job = job;
    this.#options = options;
    this.#request = engineRequest(job);
    this.#curve = new CurveBuffer(run.id);
    this.#evaluateEvery = Math.max(1, Math.floor(run.updates / EVALUATIONS_PER_RUN));
    this.#spanTime = options.now();
  }

  get run(): Run {
    return this.#run;
  }

  /** The latest greedy episode, for whoever begins to watch. */
  get lastEpisode(): EpisodeReplay | null {
    return this.#lastEpisode;
  }

  /** What listeners have been told so far; the next event continues from here. */
  sentCurve(): Curve {
    return this.#curve.since(0, 0, Math.max(0, this.#sentUpdates), this.#sentEvaluations);
  }

  pause(): void {
    this.#paused = true;
    this.#wakeUp();
  }

  resume(): void {
    this.#paused = false;
    this.#wakeUp();
  }

  /** One update, then paused. */
  step(): void {
    this.#paused = true;
    this.#stepping = true;
    this.#wakeUp();
  }

  stop(): void {
    this.#stopping = true;
    this.#wakeUp();
  }

  progress(): RunProgress {
    const { id, status, reason, update, updates, step, steps, engine, adapter, metrics } = this.#run;
    const rate = this.#millisecondsPerUpdate;
    return {
      runId: id,
      status,
      reason,
      phase: this.#phase,
      update,
      updates,
      step,
      steps,
      stepsPerSecond: rate === null ? null : (steps / updates / rate) * 1000,
      timeLeft: rate === null ? null : Math.max(0, updates - update) * rate,
      engine,
      adapter,
      metrics,
    };
  }

  /** Runs to the end. `paused` starts it waiting. Resolves with the result; rejects with what went wrong. */
  async start(options: { readonly paused?: boolean } = {}): Promise<TrainResult> {
    this.#paused = options.paused ?? false;
    try {
      const stored = await this.#options.store.checkpoint(this.#run.id);
      if (stored) {
        restoreCurve(this.#curve, await this.#options.store.spans({ runId: this.#run.id }));
        this.#lastState = stored.state;
        this.#curve.truncate(stored.state.update);
      }
      this.#enter("compiling");
      await this.#openEngine();
      return await this.#train();
    } catch (error) {
      const failure = asFulguriteError(error);
      await this.#fail(failure);
      throw failure;
    } finally {
      this.#engine?.dispose();
      this.#engine = null;
    }
  }

  /** The engine the run started with, on its last state; a run that has none yet takes what "auto" gives. */
  async #openEngine(): Promise<void> {
    const pinned = this.#run.engine === "webgpu" || this.#run.engine === "cpu" ? this.#run.engine : null;
    const engine = await this.#options.createEngine(this.#request, pinned ?? this.#job.engine);
    this.#engine = engine;
    let reason: string | null = null;
    if (pinned !== null && this.#run.adapter !== engine.adapter) {
      reason = `Continues on ${engine.adapter}, not on ${String(this.#run.adapter)}: from here on no longer bit for bit.`;
    }
    this.#run = { ...this.#run, engine: engine.engine, adapter: engine.adapter, reason };
    if (this.#lastState) engine.load(this.#lastState);
    engine.onMetrics = (metrics) => {
      this.#take(metrics);
    };
  }

  #take(metrics: UpdateMetrics): void {
    const wrong = (["policyLoss", "valueLoss", "gradientNorm", "entropy"] as const).find(
      (name) => !Number.isFinite(metrics[name]),
    );
    if (wrong !== undefined || !Number.isFinite(metrics.rewardMean)) {
      const what = wrong ?? "rewardMean";
      this.#fault ??= new FulguriteError(
        "train/not-finite",
        `${what} became ${String(metrics[what])} in update ${metrics.update}; the run stopped and kept its checkpoint from before.`,
        what === "rewardMean"
          ? "Look for a division by zero, a logarithm or a root of a negative number in the reward."
          : "Lower the learning rate, or look for very large rewards.",
      );
      return;
    }
    if (this.#fault) return;
    const now = this.#options.now();
    this.#pending.push(updateSpan(this.#run.id, metrics, this.#spanTime, now));
    this.#spanTime = now;
    this.#curve.addUpdate(metrics);
  }

  async #train(): Promise<TrainResult> {
    const { now } = this.#options;
    this.#lastCommitAt = now();
    for (;;) {
      const engine = this.#engine!;
      if (this.#fault) throw this.#fault;
      if (this.#stopping || engine.update >= this.#run.updates) return await this.#finish();
      if (this.#paused && !this.#stepping) {
        await this.#rest();
        continue;
      }
      this.#stepping = false;
      this.#activeSince ??= now();
      if (this.#run.status !== "running") await this.#commit("running");
      this.#enter("training");
      const before = now();
      const lost = await this.#survive(engine.submit());
      if (lost) continue;
      if (engine.update % this.#evaluateEvery === 0 || engine.update >= this.#run.updates) {
        if (await this.#survive(this.#evaluate())) continue;
      }
      if (now() - this.#lastCommitAt >= COMMIT_INTERVAL_MS) {
        this.#enter("saving");
        if (await this.#survive(this.#commit("running"))) continue;
      }
      this.#clock(now() - before);
      this.#emit();
    }
  }

  /** Awaits `work`; on a lost device opens a new one at the last saved state and returns true. */
  async #survive(work: Promise<void>): Promise<boolean> {
    const lost = await Promise.race([
      work.then(
        () => null,
        (error: unknown) => asFulguriteError(error),
      ),
      this.#engine!.lost,
    ]);
    if (lost === null) return false;
    if (lost instanceof FulguriteError && lost.code !== "gpu/lost") throw lost;
    if (++this.#losses > MAX_DEVICE_LOSSES) {
      throw new FulguriteError(
        "train/device-lost",
        `The GPU was lost ${this.#losses} times (${lost instanceof FulguriteError ? lost.message : lost}).`,
        "Resume the run later, or train on the CPU engine.",
      );
    }
    this.#engine!.onMetrics = null;
    this.#engine!.dispose();
    const from = this.#lastState?.update ?? 0;
    this.#curve.truncate(from);
    this.#pending = this.#pending.filter((span) => Number(span.attributes["update"]) <= from);
    this.#sentUpdates = -1;
    await this.#openEngine();
    return true;
  }

  async #evaluate(): Promise<void> {
    this.#enter("evaluating");
    const engine = this.#engine!;
    await engine.flush();
    const state = await engine.save();
    if (this.#fault) return;
    const started = this.#options.now();
    const evaluation = {
      environment: this.#request.environment,
      reward: this.#request.reward,
      algorithm: this.#request.algorithm,
      parameters: state.parameters,
      seed: this.#request.seed,
    };
    const { environmentReturns, lengths } = evaluateGreedy({ ...evaluation, episodes: EVALUATION_EPISODES });
    const mean = (values: ArrayLike<number>): number =>
      Array.from(values).reduce((a, b) => a + b, 0) / values.length;
    const step = state.update * this.#stepsPerUpdate();
    const point = {
      update: state.update,
      step,
      mean: mean(environmentReturns),
      low: Math.min(...environmentReturns),
      high: Math.max(...environmentReturns),
    };
    this.#curve.addEvaluation(point);
    this.#pending.push(
      evaluationSpan(
        this.#run.id,
        { ...point, episodes: EVALUATION_EPISODES, lengthMean: mean(lengths) },
        started,
        this.#options.now(),
      ),
    );
    this.#emitEpisode(state);
  }

  #emitEpisode(state: TrainingState): void {
    const episode = recordEpisode({
      environment: this.#request.environment,
      reward: this.#request.reward,
      algorithm: this.#request.algorithm,
      parameters: state.parameters,
      seed: this.#request.seed,
    });
    const replay: EpisodeReplay = {
      runId: this.#run.id,
      environment: this.#job.environment,
      update: state.update,
      step: state.update * this.#stepsPerUpdate(),
      ...episode,
    };
    this.#lastEpisode = replay;
    this.#options.onEvent({ kind: "episode", episode: replay });
  }

  #stepsPerUpdate(): number {
    return this.#job.algorithm.envs * this.#job.algorithm.steps;
  }

  /** Makes everything measured so far durable, with the state it belongs to. */
  async #commit(status: Run["status"], reason: string | null = this.#run.reason): Promise<void> {
    const engine = this.#engine!;
    await engine.flush();
    if (this.#fault) throw this.#fault;
    const state = await engine.save();
    const now = this.#options.now();
    const active = this.#activeSince === null ? 0 : now - this.#activeSince;
    const run: Run = {
      ...this.#run,
      status,
      reason,
      update: state.update,
      step: state.update * this.#stepsPerUpdate(),
      activeTime: this.#run.activeTime + active,
      updatedAt: now,
      metrics: this.#curve.summary(),
    };
    const spans = this.#pending;
    await this.#options.store.commit({
      run,
      spans,
      checkpoint: { runId: run.id, update: run.update, step: run.step, createdAt: now, state },
    });
    this.#pending = this.#pending.slice(spans.length);
    this.#run = run;
    this.#lastState = state;
    this.#lastCommitAt = now;
    if (this.#activeSince !== null) this.#activeSince = now;
  }

  async #rest(): Promise<void> {
    this.#enter("paused");
    const awake = new Promise<void>((resolve) => (this.#wake = resolve));
    if (await this.#survive(this.#commit("paused"))) return;
    this.#activeSince = null;
    this.#emit(true);
    if (this.#paused && !this.#stepping && !this.#stopping) await awake;
    this.#wake = null;
  }

  #wakeUp(): void {
    this.#wake?.();
  }

  async #finish(): Promise<TrainResult> {
    const status = this.#stopping ? "cancelled" : "succeeded";
    this.#enter("saving");
    if (await this.#survive(this.#commit(status))) return this.#train();
    await this.#options.store.seal(this.#run.id);
    this.#enter("finished");
    this.#emit(true);
    const { id, update, step, activeTime, metrics } = this.#run;
    const engine = this.#engine!;
    const result: TrainResult = {
      runId: id,
      status,
      engine: engine.engine,
      adapter: engine.adapter,
      update,
      step,
      activeTime,
      metrics,
    };
    this.#options.onEvent({ kind: "finished", result });
    return result;
  }

  async #fail(error: FulguriteError): Promise<void> {
    this.#phase = "finished";
    this.#run = { ...this.#run, status: "failed", reason: error.message, updatedAt: this.#options.now() };
    // A full or broken store must not hide why the run failed.
    await this.#options.store.commit({ run: this.#run }).catch(() => undefined);
    this.#emit(true);
    this.#options.onEvent({ kind: "failed", error: error.toData() });
  }

  #enter(phase: RunProgress["phase"]): void {
    const changed = this.#phase !== phase;
    this.#phase = phase;
    if (changed && (phase === "compiling" || phase === "paused")) this.#emit(true);
  }

  #clock(milliseconds: number): void {
    const rate = this.#millisecondsPerUpdate;
    this.#millisecondsPerUpdate = rate === null ? milliseconds : rate + 0.1 * (milliseconds - rate);
  }

  #emit(now = false): void {
    const time = this.#options.now();
    if (!now && time - this.#lastEventAt < EVENT_INTERVAL_MS) return;
    this.#lastEventAt = time;
    const update = this.#engine?.update ?? this.#run.update;
    const step = update * this.#stepsPerUpdate();
    const progress = this.progress();
    const metrics = { ...progress.metrics, ...this.#curve.summary() };
    this.#options.onEvent({ kind: "progress", progress: { ...progress, update, step, metrics } });
    const replace = this.#sentUpdates <= 0;
    if (replace) this.#sentUpdates = this.#sentEvaluations = 0;
    const { updates, evaluations } = this.#curve;
    if (updates === this.#sentUpdates && evaluations === this.#sentEvaluations) return;
    const curve = this.#curve.since(this.#sentUpdates, this.#sentEvaluations);
    this.#options.onEvent({ kind: "curve", curve, replace });
    this.#sentUpdates = updates;
    this.#sentEvaluations = evaluations;
  }
}
