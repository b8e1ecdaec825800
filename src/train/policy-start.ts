import type { LanguageEngine } from "../lm/language-engine.ts";
import { likelihood } from "../rl/sft.ts";
import type { TokenLossConfig } from "../rl/token-loss-config.ts";
import type { LightningStore } from "../store/records.ts";
import { policyShape } from "./character-policy.ts";
import { checkFinite } from "./check-finite.ts";
import type { LanguageJob } from "./job.ts";
import type { LanguageEngineMaker } from "./language-engine-maker.ts";
import { policyTokenizer } from "./policy-tokenizer.ts";
import type { EngineTerms } from "./run-controller.ts";
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
    const parameters = await startWeights(job.policy, store);
    if (parameters) engine.load({ ...(await engine.save()), parameters });
  }

  /** Learns the warm start's demonstrations, where there is one. */
  async warmUp(engine: LanguageEngine): Promise<void> {
    const { job, onStep } = this.#options;
    const { warmStart, seed, policy } = job;
    if (!warmStart) return;
    const tokenizer = await policyTokenizer(policy);
    const loss = likelihood({ ...job.algorithm.loss, learningRate: warmStart.learningRate });
    for (let step = 0; step < warmStart.steps; step++) {
      checkFinite(await engine.step(warmStartRows(warmStart, tokenizer, seed, step), loss), 0);
      if (!onStep()) return;
    }
  }

  /** A policy as `engine`'s was before the first update, made once, on the same terms. */
  async reference(engine: LanguageEngine, terms: EngineTerms): Promise<LanguageEngine> {
    if (this.#reference) return this.#reference;
    const { job, createLanguageEngine } = this.#options;
    const made = await createLanguageEngine(policyShape(job.policy), job.seed, engine.engine, terms);
    this.#reference = made;
    await this.weights(made);
    await this.warmUp(made);
    return made;
  }

  /** Gives the reference's memory back; it is made again when asked for. */
  dispose(): void {
    this.#reference?.dispose();
    this.#reference = null;
  }
}
