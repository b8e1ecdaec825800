import { FulguriteError } from "../gpu/error.ts";
import type { LanguageEngine } from "../lm/language-engine.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { Run, Span, SupervisedState } from "../store/records.ts";
import {
  supervisedEvaluationFromSpan,
  supervisedEvaluationSpan,
  supervisedUpdateFromSpan,
  supervisedUpdateSpan,
  type SupervisedUpdate,
} from "../trace/supervised-spans.ts";
import { policyShape } from "./character-policy.ts";
import { checkFinite } from "./check-finite.ts";
import { supervisedCurve, type CurveBuffer } from "./curve-buffer.ts";
import { DpoTrainer } from "./dpo-trainer.ts";
import type { ExampleTrainer } from "./example-trainer.ts";
import type { PreferenceExample, SupervisedExample } from "./examples.ts";
import type { SupervisedJob } from "./job.ts";
import type { LanguageEngineMaker } from "./language-engine-maker.ts";
import { PolicyStart } from "./policy-start.ts";
import { policyTokenizer } from "./policy-tokenizer.ts";
import { RunController, type EngineTerms, type RunControllerOptions } from "./run-controller.ts";
import { apart, keepBase, whole } from "./run-weights.ts";
import { SftTrainer } from "./sft-trainer.ts";
import { preferencePairs, supervisedRows } from "./supervised-rows.ts";

export interface SupervisedRunOptions extends RunControllerOptions {
  readonly createLanguageEngine: LanguageEngineMaker;
}

/** Trains a language policy on examples. The same job, engine and adapter give the same bits. */
export class SupervisedRun extends RunController {
  protected readonly curve: CurveBuffer<SupervisedUpdate & { readonly step: number }>;
  readonly #job: SupervisedJob;
  readonly #createEngine: LanguageEngineMaker;
  readonly #start: PolicyStart;
  #engine: LanguageEngine | null = null;
  #terms: EngineTerms | null = null;
  #trainer: ExampleTrainer | null = null;
  #update = 0;
  #begun = false;
  #spans: Span[] = [];
  #written = 0;
  #saved: SupervisedState | null = null;
  #snapshot: SupervisedState | null = null;

  constructor(run: Run, job: SupervisedJob, options: SupervisedRunOptions) {
    super(run, options);
    this.#job = job;
    this.#createEngine = options.createLanguageEngine;
    this.#start = new PolicyStart({
      job,
      ...options,
      onStep: () => {
        this.emit();
        return !this.stopping;
      },
    });
    this.curve = supervisedCurve(run.id);
  }

  protected get device(): LanguageEngine | null {
    return this.#engine;
  }

  protected get update(): number {
    return this.#update;
  }

  protected get stepsPerUpdate(): number {
    return this.#job.algorithm.batchSize;
  }

  protected async restore(): Promise<void> {
    const { store } = this.options;
    const stored = await store.checkpoint(this.current.id);
    if (!stored) return;
    this.#saved = stored.state as SupervisedState;
    const spans = await store.spans({ runId: this.current.id, rolloutId: null });
    restoreSupervisedCurve(this.curve, spans, this.stepsPerUpdate);
    this.curve.truncate(this.#saved.update);
  }

  protected async open(pinned: "webgpu" | "cpu" | null, given: EngineTerms): Promise<void> {
    const { seed, policy, engine: choice, algorithm } = this.#job;
    // A preference has two answers.
    const rows = algorithm.batchSize * (algorithm.kind === "dpo" ? 2 : 1);
    const terms = { ...given, rows, checkpointing: policy.checkpointing ?? false };
    this.#terms = terms;
    const shape = policyShape(policy);
    const engine = await this.#createEngine(shape, seed, pinned ?? choice, terms);
    this.#engine = engine;
    const { store } = this.options;
    if (this.#saved?.update) engine.load(await whole(this.#saved.language, shape, this.current.id, store));
    else await this.#start.weights(engine);
    this.#start.dispose();
    this.#trainer = this.#createTrainer(engine, await policyTokenizer(policy));
    this.#update = this.#saved?.update ?? 0;
    this.#begun = this.#update > 0;
  }

  #createTrainer(engine: LanguageEngine, tokenizer: Tokenizer): ExampleTrainer {
    const { algorithm, examples, seed } = this.#job;
    const common = { engine, seed, allowed: tokenizer.answerIds };
    const { maxLength } = engine.shape;
    if (algorithm.kind === "dpo") {
      const pairs = (list: SupervisedJob["examples"]["train"]) =>
        preferencePairs(list as readonly PreferenceExample[], tokenizer, { maxLength });
      const [train, heldOut] = [pairs(examples.train), pairs(examples.heldOut)];
      this.#tell(train.tooLong + heldOut.tooLong, 0);
      return new DpoTrainer({
        ...common,
        config: algorithm,
        train: train.pairs,
        heldOut: heldOut.pairs,
        reference: () => this.#start.reference(engine, this.#startTerms()),
      });
    }
    const rows = (list: SupervisedJob["examples"]["train"]) =>
      supervisedRows(list as readonly SupervisedExample[], tokenizer, { maxLength, learn: algorithm.learn });
    const [train, heldOut] = [rows(examples.train), rows(examples.heldOut)];
    this.#tell(train.tooLong + heldOut.tooLong, train.empty + heldOut.empty);
    // Prompts are learned over all ids, answers over those that an answer may have.
    const allowed = algorithm.learn === "everything" ? null : common.allowed;
    return new SftTrainer({
      ...{ ...common, allowed, config: algorithm, train: train.rows, heldOut: heldOut.rows },
    });
  }

  #startTerms(): EngineTerms {
    return { ...this.#terms!, variant: this.current.variant ?? null };
  }

  /** Says what was left out of the examples, beside the run. */
  #tell(tooLong: number, empty: number): void {
    if (tooLong + empty === 0) return;
    const parts = [
      ...(tooLong > 0 ? [`${tooLong} longer than the policy's ${this.#job.policy.maxLength} tokens`] : []),
      ...(empty > 0 ? [`${empty} without anything to learn`] : []),
    ];
    this.leftOut = `Left out of the examples: ${parts.join(", ")}.`;
  }

  override async start(options: { readonly paused?: boolean } = {}): ReturnType<RunController["start"]> {
    try {
      return await super.start(options);
    } finally {
      this.#start.dispose();
    }
  }

  protected async advance(): Promise<void> {
    if (!this.#begun) {
      await this.#start.warmUp(this.#engine!, this.#startTerms());
      if (this.stopping) return;
      await keepBase(this.options.store, this.current.id, this.#engine!);
      await this.#evaluate(0);
      this.#begun = true;
      this.emit(true);
    }
    const update = this.#update + 1;
    const started = this.options.now();
    const step = await this.#trainer!.step(this.#update);
    checkFinite(step, update);
    const ended = this.options.now();
    const examples = update * this.stepsPerUpdate;
    const metrics: SupervisedUpdate = { ...step, update, examples, trainTime: ended - started };
    this.curve.addUpdate({ ...metrics, step: examples });
    this.#spans.push(supervisedUpdateSpan(this.current.id, metrics, started, ended));
    this.#update = update;
    if (update % this.#job.algorithm.evaluateEvery === 0 || update >= this.current.updates) {
      await this.#evaluate(update);
    }
  }

  async #evaluate(update: number): Promise<void> {
    this.enter("evaluating");
    const started = this.options.now();
    const { loss, low, high, accuracy, tokens, examples: heldOut } = await this.#trainer!.evaluate();
    if (heldOut === 0) {
      throw new FulguriteError(
        "train/no-examples",
        "No held-out example fits into the policy's maxLength.",
        "Raise maxLength, or hold out shorter ones.",
      );
    }
    const examples = update * this.stepsPerUpdate;
    this.curve.addEvaluation({ update, step: examples, mean: loss, low, high });
    const evaluation = { update, examples, heldOut, loss, low, high, accuracy, tokens };
    this.#spans.push(supervisedEvaluationSpan(this.current.id, evaluation, started, this.options.now()));
  }

  protected async snapshot(): ReturnType<RunController["snapshot"]> {
    const saved = await this.#engine!.save();
    const language = this.#begun ? apart(saved, this.#engine!.shape) : saved;
    const state: SupervisedState = { kind: "supervised", update: this.#update, language };
    this.#snapshot = state;
    // Before the first update a resumed run begins anew, so nothing of it may be kept.
    this.#written = this.#begun ? this.#spans.length : 0;
    return {
      spans: this.#spans.slice(0, this.#written),
      checkpoint: {
        runId: this.current.id,
        update: this.#update,
        step: this.#update * this.stepsPerUpdate,
        createdAt: this.options.now(),
        state,
      },
    };
  }

  protected committed(): void {
    this.#spans = this.#spans.slice(this.#written);
    this.#saved = this.#begun ? this.#snapshot : null;
  }

  protected rewind(): number {
    this.#spans = [];
    return this.#saved?.update ?? 0;
  }
}

/** Fills a curve from stored spans, in their order. */
export function restoreSupervisedCurve(
  curve: CurveBuffer<SupervisedUpdate & { readonly step: number }>,
  spans: readonly Span[],
  stepsPerUpdate: number,
): void {
  for (const span of spans) {
    const metrics = supervisedUpdateFromSpan(span);
    if (metrics) curve.addUpdate({ ...metrics, step: metrics.examples });
    const evaluation = supervisedEvaluationFromSpan(span);
    if (!evaluation) continue;
    const { update, loss, low, high } = evaluation;
    curve.addEvaluation({ update, step: update * stepsPerUpdate, mean: loss, low, high });
  }
}
