import { ppo } from "../../src/rl/ppo.ts";
import { cartPole } from "../../src/env/cartpole.ts";
import type { Resources, Worker } from "../../src/store/lightning-records.ts";
import { openStore } from "../../src/store/open.ts";
import type {
  LightningStore,
  Rollout,
  RolloutQuery,
  Run,
  RunStatus,
  Span,
  SpanQuery,
  StoreUsage,
} from "../../src/store/records.ts";
import { agenticCurve, simulatedCurve } from "../../src/train/curve-buffer.ts";
import type { RunEvent } from "../../src/train/events.ts";
import type { AgenticJob, Job, SimulatedJob } from "../../src/train/job.ts";
import type { GpuVerdict } from "../../src/train/check-definition.ts";
import type { Completion } from "../../src/train/complete.ts";
import type { RescoreResult } from "../../src/train/rescore.ts";
import { wilson } from "../../src/train/wilson.ts";
import { rolloutsInMemory } from "../../src/ui/rollout-source.ts";
import type { Reached, Reply, TrainerApi } from "../../src/worker/api.ts";
import { exportRun, type ExportedFile, type ExportRequest } from "../../src/worker/export-run.ts";
import type { ImportReport } from "../../src/worker/import-run.ts";
import type { RolloutPage, RolloutPageQuery } from "../../src/worker/rollout-index.ts";
import { RolloutPages } from "../../src/worker/rollout-pages.ts";
import { FakeRollouts } from "./fake-agentic.ts";

/**
 * A trainer without training: a hand-made balancing policy whose hand gets steadier with every update, acting in
 * the real CartPole. For the gallery and its tests only.
 */
const pole = cartPole();
const STEPS_PER_UPDATE = 256;

export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function episode(noise: number, next: () => number): { states: Float32Array; length: number; done: boolean } {
  const states = new Float32Array(500 * 4);
  const state = new Float32Array(4);
  const out = new Float32Array(2);
  pole.reset(
    state,
    0,
    Uint32Array.from({ length: 4 }, () => next() * 2 ** 32),
  );
  let t = 0;
  for (; t < 500 && out[1] === 0; t++) {
    states.set(state, t * 4);
    const lean = 0.1 * state[0]! + 0.25 * state[1]! + 3 * state[2]! + state[3]!;
    const hand = (next() + next() + next() - 1.5) * noise;
    pole.step(state, 0, lean + hand > 0 ? 1 : 0, out);
  }
  return { states: states.slice(0, t * 4), length: t, done: out[1] === 1 };
}

export const demoJob = (seed = 1, source = "(s, a, next) => 1 - 0.1 * Math.abs(next.x)"): SimulatedJob => ({
  kind: "simulated",
  environment: "CartPole-v1",
  reward: { source, constants: {}, line: 1 },
  algorithm: ppo({ totalSteps: 80_000 }),
  seed,
  name: "CartPole-v1",
  engine: "auto",
});

type Curve = ReturnType<typeof simulatedCurve> | ReturnType<typeof agenticCurve>;

abstract class FakeRun {
  run: Run;
  readonly listeners = new Map<number, (event: RunEvent) => void>();
  readonly ended = Promise.withResolvers<undefined>();
  protected readonly next: () => number;
  protected abstract readonly perSecond: number;
  abstract readonly curve: Curve;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(id: string, job: Job, cell: string | null, updates: number, steps: number) {
    this.next = random(job.seed * 2654435761);
    this.run = {
      id,
      kind: job.kind,
      name: job.name,
      notebook: "gallery",
      cell,
      job,
      seed: job.seed,
      engine: "cpu",
      adapter: "WebAssembly SIMD",
      status: "paused",
      reason: null,
      update: 0,
      updates,
      step: 0,
      steps,
      createdAt: 0,
      updatedAt: 0,
      activeTime: 0,
      metrics: {},
    };
  }

  protected abstract once(): void;
  readonly rollouts: FakeRollouts | null = null;

  tell(event: RunEvent): void {
    for (const listener of this.listeners.values()) listener(event);
  }

  progress(): RunEvent {
    const { run } = this;
    const running = run.status === "running";
    return {
      kind: "progress",
      progress: {
        ...run,
        runId: run.id,
        phase: running ? "training" : run.status === "paused" ? "paused" : "finished",
        stepsPerSecond: running ? this.perSecond : null,
        timeLeft: running ? ((run.steps - run.step) / this.perSecond) * 1000 : null,
      },
    };
  }

  advance(updates: number): void {
    const before = [this.curve.updates, this.curve.evaluations] as const;
    for (let i = 0; i < updates && this.run.update < this.run.updates; i++) this.once();
    if (this.run.update >= this.run.updates) this.set("succeeded");
    else this.tell(this.progress());
    this.tell({ kind: "curve", curve: this.curve.since(...before), replace: false });
  }

  episode: RunEvent | null = null;

  set(status: RunStatus, reason: string | null = null): void {
    clearInterval(this.#timer);
    this.run = { ...this.run, status, reason, activeTime: 3_740 };
    if (status === "running")
      this.#timer = setInterval(() => {
        this.advance(3);
      }, 100);
    if (status === "succeeded" || status === "cancelled" || status === "failed")
      this.ended.resolve(undefined);
    this.tell(this.progress());
    if (status === "failed") this.tell({ kind: "failed", error: failure });
  }
}

class SimulatedRun extends FakeRun {
  protected override readonly perSecond = 21_400;
  readonly curve: ReturnType<typeof simulatedCurve>;
  readonly #slowness: number;

  constructor(id: string, job: SimulatedJob, cell: string | null, slowness: number) {
    const { totalSteps } = job.algorithm;
    super(id, job, cell, Math.floor(totalSteps / STEPS_PER_UPDATE), totalSteps);
    this.curve = simulatedCurve(id);
    this.#slowness = slowness;
  }

  protected override once(): void {
    const update = this.run.update + 1;
    const step = update * STEPS_PER_UPDATE;
    const noise = 16 * Math.exp(-update / this.#slowness) + 0.25;
    const lengths = [0, 1].map(() => episode(noise, this.next).length);
    const mean = (lengths[0]! + lengths[1]!) / 2;
    const half = Math.exp(-update / 80);
    this.curve.addUpdate({
      update,
      step,
      policyLoss: -0.01 * half,
      valueLoss: 40 * half,
      entropy: 0.3 + 0.39 * half,
      approximateKl: 0.006,
      clipFraction: 0.08,
      explainedVariance: 1 - half,
      gradientNorm: 0.6,
      learningRate: 1e-3 * (1 - update / this.run.updates),
      episodes: update % 3 === 0 ? 0 : 2,
      episodeReturn: update % 3 === 0 ? NaN : mean * 0.96,
      environmentReturn: update % 3 === 0 ? NaN : mean,
      episodeLength: update % 3 === 0 ? NaN : mean,
      rewardMean: 0.96,
      optimizerSteps: 20,
      episodeCost: NaN,
      multiplier: NaN,
      stepsPerSecond: this.perSecond,
    });
    this.run = { ...this.run, update, step, metrics: this.curve.summary() };
    if (update % 16 === 0 || update === this.run.updates) this.#evaluate(noise * 0.7);
  }

  #evaluate(noise: number): void {
    const shown = episode(noise, this.next);
    const lengths = Array.from({ length: 10 }, () => episode(noise, this.next).length);
    const { update, step } = this.run;
    this.curve.addEvaluation({
      update,
      step,
      mean: lengths.reduce((a, b) => a + b) / 10,
      low: Math.min(...lengths),
      high: Math.max(...lengths),
    });
    this.run = { ...this.run, metrics: this.curve.summary() };
    this.episode = {
      kind: "episode",
      episode: {
        runId: this.run.id,
        environment: "CartPole-v1",
        update,
        step,
        states: shown.states,
        actions: new Uint8Array(shown.length),
        rewards: new Float32Array(shown.length).fill(1),
        environmentReturn: shown.length,
        terminated: shown.done,
      },
    };
    this.tell(this.episode);
  }
}

class AgenticRun extends FakeRun {
  protected override readonly perSecond = 1_240;
  readonly curve: ReturnType<typeof agenticCurve>;
  override readonly rollouts: FakeRollouts;
  readonly #every: number;

  constructor(id: string, job: AgenticJob, cell: string | null) {
    const { updates, groups, groupSize, evaluateEvery } = job.algorithm;
    super(id, job, cell, updates, updates * groups * groupSize);
    this.curve = agenticCurve(id);
    this.rollouts = new FakeRollouts(id, job, this.next);
    this.#every = evaluateEvery;
    this.#evaluate();
  }

  protected override once(): void {
    const update = this.run.update + 1;
    const point = this.rollouts.update(update);
    this.curve.addUpdate(point);
    this.run = { ...this.run, update, step: point.step, metrics: this.curve.summary() };
    if (update % this.#every === 0) this.#evaluate();
  }

  #evaluate(): void {
    const { update, step } = this.run;
    const success = this.rollouts.evaluate(update);
    this.curve.addEvaluation({ update, step, mean: success, ...wilson(Math.round(success * 60), 60) });
  }
}

export const failure = {
  code: "train/not-finite",
  message: "valueLoss became NaN in update 41; the run stopped and kept its checkpoint from before.",
  fix: "Look for a division by zero, a logarithm or a root of a negative number in the reward.",
  line: null,
  column: null,
};

/** `TrainerApi` in the page. `seed` puts runs there as if from before a reload. */
export class FakeTrainer implements TrainerApi {
  readonly stored = new Map<string, FakeRun>();
  readonly settings = new Map<string, unknown>();
  #ids = 1;

  add(job: Job, cell: string | null, updates: number, status: RunStatus, slowness = 34): FakeRun {
    const id = `01${String(this.#ids++).padStart(8, "0")}`;
    if (job.kind === "supervised") throw new Error("no supervised run is faked");
    const run =
      job.kind === "agentic" ? new AgenticRun(id, job, cell) : new SimulatedRun(id, job, cell, slowness);
    this.stored.set(id, run);
    run.advance(updates);
    if (run.run.status !== "succeeded" || status !== "succeeded") run.set(status);
    return run;
  }

  #change(id: string, change: (run: FakeRun) => void): Promise<Reply<undefined>> {
    change(this.stored.get(id)!);
    return Promise.resolve({ ok: true, value: undefined });
  }

  start(job: Job, { cell }: { cell: string | null }): Promise<Reply<string>> {
    const run = this.add(job, cell, 0, "running", 30 + job.seed * 8);
    return Promise.resolve({ ok: true, value: run.run.id });
  }
  trained(): Promise<Reply<null>> {
    return Promise.resolve({ ok: true, value: null });
  }
  pause(id: string): Promise<Reply<void>> {
    return this.#change(id, (run) => {
      run.set("paused");
    });
  }
  resume(id: string): Promise<Reply<void>> {
    return this.#change(id, (run) => {
      run.set("running");
    });
  }
  step(id: string): Promise<Reply<void>> {
    return this.#change(id, (run) => {
      run.advance(1);
    });
  }
  stop(id: string): Promise<Reply<void>> {
    return this.#change(id, (run) => {
      run.set("cancelled");
    });
  }
  deleteRun(id: string): Promise<Reply<void>> {
    this.stored.delete(id);
    return Promise.resolve({ ok: true, value: undefined });
  }
  runs(query: { cell?: string }): Promise<Reply<Run[]>> {
    const runs = [...this.stored.values()].map(({ run }) => run).reverse();
    return Promise.resolve({
      ok: true,
      value: query.cell === undefined ? runs : runs.filter(({ cell }) => cell === query.cell),
    });
  }
  watch(id: string, listener: (event: RunEvent) => void): Promise<Reply<number>> {
    const run = this.stored.get(id)!;
    const watch = this.#ids++;
    run.listeners.set(watch, listener);
    listener(run.progress());
    listener({ kind: "curve", curve: run.curve.since(0, 0), replace: true });
    if (run.episode) listener(run.episode);
    if (run.run.status === "failed") listener({ kind: "failed", error: failure });
    return Promise.resolve({ ok: true, value: watch });
  }
  unwatch(watch: number): Promise<void> {
    for (const run of this.stored.values()) run.listeners.delete(watch);
    return Promise.resolve();
  }
  goBack(id: string): Promise<Reply<void>> {
    return this.pause(id);
  }
  loadCheckpoint(id: string): Promise<Reply<string>> {
    return Promise.resolve({ ok: true, value: id });
  }
  rollouts(query: RolloutQuery): Promise<Reply<Rollout[]>> {
    const made = this.#agentic(query.runId)?.made.map(({ rollout }) => rollout) ?? [];
    return rolloutsInMemory(made)
      .rollouts(query)
      .then((found) => ({ ok: true, value: [...found] }));
  }
  async rolloutPage(query: RolloutPageQuery): Promise<Reply<RolloutPage>> {
    return { ok: true, value: await this.#pages.page(query) };
  }
  async exportRun(request: ExportRequest): Promise<Reply<ExportedFile>> {
    const store = {
      run: (id: string) => Promise.resolve(this.stored.get(id)?.run),
      rollouts: this.#rollouts,
      spans: async (query: SpanQuery) => {
        const rollouts =
          query.rolloutId === undefined ? await this.#rollouts(query) : [{ id: query.rolloutId ?? "" }];
        return rollouts.flatMap(({ id }) => this.#agentic(query.runId)?.spans(id) ?? []);
      },
      checkpoint: () => Promise.resolve(undefined),
    } as unknown as LightningStore;
    return { ok: true, value: await exportRun(store, request) };
  }
  problems(): ReturnType<TrainerApi["problems"]> {
    return Promise.resolve({ ok: true, value: [] });
  }
  retain(): ReturnType<TrainerApi["retain"]> {
    return Promise.resolve({ ok: true, value: { runs: [], rollouts: 0 } });
  }
  deleteRollouts(): ReturnType<TrainerApi["deleteRollouts"]> {
    return Promise.resolve({ ok: true, value: 0 });
  }
  saveWorkspace(): ReturnType<TrainerApi["saveWorkspace"]> {
    return Promise.resolve({ ok: true, value: new Blob([]) });
  }
  openWorkspace(): ReturnType<TrainerApi["openWorkspace"]> {
    return Promise.resolve({ ok: true, value: { runs: [], kept: [] } });
  }
  usage(): Promise<Reply<StoreUsage>> {
    const runs = [...this.stored.values()].map(({ run }, i) => ({
      runId: run.id,
      name: run.name,
      bytes: 4_200_000 / (i + 1),
    }));
    const value = { bytes: 6_400_000, quota: 2_000_000_000, persisted: false, runs };
    return Promise.resolve({ ok: true, value });
  }
  importRun(): Promise<Reply<ImportReport>> {
    throw new Error("no import here");
  }
  /** Two versions of a prompt, and two workers; in a store of its own. */
  readonly #shelf = openStore({ backend: "memory" }).then(async (store) => {
    const prompt = (template: string) =>
      ({ prompt: { type: "prompt_template", template, engine: "f-string" } }) as const;
    await store.resources.update("prompts", prompt("Copy the word.\nWord: {word}"));
    await store.resources.update("prompts", prompt("Copy the word, letter by letter.\nWord: {word}"));
    await store.workers.heartbeat("runner-1", { load: 0.4 });
    await store.queue.enqueue([{ task: "abc" }]);
    await store.queue.dequeue({ workerId: "runner-2" });
    return store;
  });
  async resources(id: string | null): Promise<Reply<Resources[]>> {
    const { resources } = await this.#shelf;
    const value = id === null ? (await resources.find()).items : await resources.versions(id);
    return { ok: true, value };
  }
  async workers(): Promise<Reply<Worker[]>> {
    return { ok: true, value: (await (await this.#shelf).workers.find()).items };
  }
  follow(): Promise<Reply<number>> {
    return Promise.resolve({ ok: true, value: this.#ids++ });
  }
  readonly #rollouts = async (query: RolloutQuery): Promise<Rollout[]> => {
    const found = await this.rollouts(query);
    return found.ok ? found.value : [];
  };
  readonly #pages = new RolloutPages({ rollouts: this.#rollouts });
  spans(query: SpanQuery): Promise<Reply<Span[]>> {
    const spans = this.#agentic(query.runId)?.spans(query.rolloutId ?? "") ?? [];
    return Promise.resolve({ ok: true, value: spans });
  }
  checkDefinition(): Promise<Reply<GpuVerdict>> {
    return Promise.resolve({ ok: true, value: { kind: "absent" } });
  }
  complete(): Promise<Reply<Completion[]>> {
    return Promise.resolve({ ok: true, value: [] });
  }

  rescore(runId: string): Promise<Reply<RescoreResult>> {
    return Promise.resolve({ ok: true, value: this.#agentic(runId)!.rescore() });
  }
  provideFrames(): Promise<void> {
    return Promise.resolve();
  }
  providePackages(): Promise<void> {
    return Promise.resolve();
  }
  #agentic(runId: string): FakeRollouts | undefined {
    return this.stored.get(runId)?.rollouts ?? undefined;
  }
  keeps(): Promise<Reply<boolean>> {
    return Promise.resolve({ ok: true, value: true });
  }

  device(): Promise<Reply<{ engine: "webgpu" | "cpu"; adapter: string }>> {
    return Promise.resolve({ ok: true, value: { engine: "cpu", adapter: "WebAssembly SIMD" } });
  }
  setting(key: string): Promise<Reply<unknown>> {
    return Promise.resolve({ ok: true, value: this.settings.get(key) });
  }
  reach(): Promise<Reply<Reached>> {
    throw new Error("no network here");
  }
  setSetting(key: string, value: unknown): Promise<Reply<void>> {
    this.settings.set(key, value);
    return Promise.resolve({ ok: true, value: undefined });
  }
}
