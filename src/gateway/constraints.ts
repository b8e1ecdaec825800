import { FulguriteError } from "../gpu/error.ts";
import { compileConstraint, parseGrammar, tokenBytes, type TokenBytes } from "../lm/constraint/index.ts";
import type { TokenConstraint } from "../lm/language-engine.ts";
import { invalid } from "./gateway-error.ts";
import type { GatewayTokenizer } from "./gateway-types.ts";

/** Grammars that are kept compiled, with the masks that have been found. */
const MOST = 32;

/** Grammars over the ids of a policy's tokenizer, each compiled once. */
export class Constraints {
  readonly #tokenizer: GatewayTokenizer;
  readonly #vocabularySize: number;
  /** By grammar, and by the ids where a request narrows them. */
  readonly #compiled = new Map<string, TokenConstraint>();
  #bytes: TokenBytes | null = null;

  constructor(tokenizer: GatewayTokenizer, vocabularySize: number) {
    this.#tokenizer = tokenizer;
    this.#vocabularySize = vocabularySize;
  }

  /**
   * Over the ids `allowed`, null for all. Throws a 400 where the grammar cannot be read, or the policy cannot follow it with
   * these.
   */
  of(grammar: string, allowed: Int32Array | null): TokenConstraint {
    const { answerIds, eos } = this.#tokenizer;
    const narrowed = allowed === answerIds ? "" : (allowed?.join() ?? "all");
    const key = `${narrowed}\n${grammar}`;
    let constraint = this.#compiled.get(key);
    if (constraint) return constraint;
    this.#bytes ??= tokenBytes(this.#tokenizer, this.#vocabularySize);
    const may = allowed && new Set(allowed);
    const bytes = this.#bytes.map((it, id) => (may?.has(id) === false ? null : it));
    try {
      constraint = compileConstraint(parseGrammar(grammar), bytes, [eos]);
    } catch (error) {
      if (error instanceof FulguriteError) throw invalid("response_format", `${error.message} ${error.fix}`);
      throw error;
    }
    if (this.#compiled.size >= MOST) this.#compiled.delete(this.#compiled.keys().next().value!);
    this.#compiled.set(key, constraint);
    return constraint;
  }
}
