import type { ConstraintState, GenerateRequest } from "./language-engine.ts";

interface Constrained {
  readonly request: Pick<GenerateRequest, "prompt" | "constraint">;
  /** Prompt and what was emitted. */
  readonly tokens: readonly number[];
}

/** How far each sequence is in its constraint: taken along by the tokens that it has emitted. */
export class ConstraintProgress {
  readonly #states = new WeakMap<object, { readonly state: ConstraintState; taken: number }>();

  /** Ids that the sequence may emit next, as bits; null without a constraint. */
  mask(sequence: Constrained): Uint32Array | null {
    const { prompt, constraint } = sequence.request;
    if (!constraint) return null;
    let entry = this.#states.get(sequence);
    if (!entry) {
      entry = { state: constraint.start(), taken: prompt.length };
      this.#states.set(sequence, entry);
    }
    for (; entry.taken < sequence.tokens.length; entry.taken++)
      entry.state.take(sequence.tokens[entry.taken]!);
    return entry.state.mask();
  }
}
