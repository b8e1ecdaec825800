import type { LanguageEngine } from "../lm/language-engine.ts";
import { transformerLayout } from "../nn/transformer-layout.ts";
import { likelihood } from "../rl/sft.ts";
import type { TokenLossConfig } from "../rl/token-loss-config.ts";
import type { LightningStore } from "../store/records.ts";
import { policyShape } from "./character-policy.ts";
import { checkFinite } from "./check-finite.ts";
import type { LanguageJob, PolicyConfig } from "./job.ts";
import type { LanguageEngineMaker } from "./language-engine-maker.ts";
import { plainPolicy } from "./policy-adapters.ts";
import { policyTokenizer } from "./policy-tokenizer.ts";
import type { EngineTerms } from "./run-controller.ts";
import { initializeSoftPrompt } from "./soft-prompt.ts";
import { startWeights } from "./start-weights.ts";
import { warmStartRows } from "./warm-start.ts";

export interface PolicyStartOptions {
  readonly job: Pick<LanguageJob, "policy" | "seed" | "warmStart"> & {
    readonly algorithm: { readonly loss: TokenLossConfig };
  };
  readonly store: LightningStore;
  readonly createLanguageEngine: LanguageEngineMaker;
  /** Told after every step of a warm start; false ends it. */
  readonly onStep: () => boolean;
}

/** How a run's policy begins: its weights, its warm start, and that beginning made again as the reference. */
export class PolicyStart {
  readonly #options: PolicyStartOptions;
  #reference: LanguageEngine | null = null;

  constructor(options: PolicyStartOptions) {
    this.#options = options;
  }

  /** Loads what the policy begins with, where that is not the random weights of its seed. */
  async weights(engine: LanguageEngine): Promise<void> {
    const { job, store } = this.#options;
    await this.#place(engine, await startWeights(job.policy, store));
  }

  /**
   * Learns the warm start's demonstrations, where there is one. All weights learn then, also those beside which adapters
   * will: what the warm start ends with is frozen.
   */
  async warmUp(engine: LanguageEngine, terms: EngineTerms): Promise<void> {
    const { job, createLanguageEngine, store } = this.#options;
    if (!job.warmStart) return;
    if (!engine.shape.adapter) {
      await this.#learn(engine, job.policy);
      return;
    }
    const policy = plainPolicy(job.policy);
    const plain = await createLanguageEngine(policyShape(policy), job.seed, engine.engine, terms);
    try {
      const { length } = transformerLayout(plain.shape);
      const parameters = await startWeights(job.policy, store);
      const whole = parameters?.length === transformerLayout(engine.shape).length;
      await this.#place(plain, parameters && parameters.slice(0, length));
      await this.#learn(plain, policy);
      await this.#place(engine, (await plain.save()).parameters, whole);
    } finally {
      plain.dispose();
    }
  }

  /** Puts the first parameters of an engine in place, and a soft prompt where they, or what is there, have none. */
  async #place(engine: LanguageEngine, first: Float32Array | null, prompted = false): Promise<void> {
    const { shape } = engine;
    const hasPrompt = (shape.adapter?.promptTokens ?? 0) > 0;
    if (!first && !hasPrompt) return;
    const state = await engine.save();
    const parameters = state.parameters.slice();
    if (first) parameters.set(first);
    if (hasPrompt && !prompted && first?.length !== parameters.length)
      initializeSoftPrompt(shape, parameters, this.#options.job.seed);
    engine.load({ ...state, parameters });
  }

  async #learn(engine: LanguageEngine, policy: PolicyConfig): Promise<void> {
    const { job, onStep } = this.#options;
    const { seed } = job;
    const warmStart = job.warmStart!;
    const tokenizer = await policyTokenizer(policy);
    const loss = likelihood({ ...job.algorithm.loss, learningRate: warmStart.learningRate });
    for (let step = 0; step < warmStart.steps; step++) {
      checkFinite(await engine.step(warmStartRows(warmStart, tokenizer, seed, step), loss), 0);
      if (!onStep()) return;
    }
  }

  /**
   * Scores as `engine`'s policy did before the first update: without its adapters, where they began at nothing, else by a
   * policy made anew.
   */
  async reference(engine: LanguageEngine, terms: EngineTerms): Promise<Pick<LanguageEngine, "score">> {
    return (await this.#beginsAtBase(engine))
      ? { score: (rows) => engine.score(rows, { adapter: false }) }
      : this.anew(engine, terms);
  }

  async #beginsAtBase({ shape }: LanguageEngine): Promise<boolean> {
    if (!shape.adapter || (shape.adapter.promptTokens ?? 0) > 0) return false;
    const { job, store } = this.#options;
    const parameters = await startWeights(job.policy, store);
    return (parameters?.length ?? 0) <= transformerLayout(shape).trainable;
  }

  /** A policy as `engine`'s was before the first update, made once, on the same terms. */
  async anew(engine: LanguageEngine, terms: EngineTerms): Promise<LanguageEngine> {
    if (this.#reference) return this.#reference;
    const { job, createLanguageEngine } = this.#options;
    const made = await createLanguageEngine(policyShape(job.policy), job.seed, engine.engine, terms);
    this.#reference = made;
    await this.weights(made);
    await this.warmUp(made, terms);
    return made;
  }

  /** Gives the reference's memory back; it is made again when asked for. */
  dispose(): void {
    this.#reference?.dispose();
    this.#reference = null;
  }
}
