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
  readonly #compiled = new Map<string, TokenConstraint>();
  #bytes: TokenBytes | null = null;

  constructor(tokenizer: GatewayTokenizer, vocabularySize: number) {
    this.#tokenizer = tokenizer;
    this.#vocabularySize = vocabularySize;
  }

  /** Throws a 400 where the grammar cannot be read, or the policy cannot follow it. */
  of(grammar: string): TokenConstraint {
    let constraint = this.#compiled.get(grammar);
    if (constraint) return constraint;
    this.#bytes ??= tokenBytes(this.#tokenizer, this.#vocabularySize);
    try {
      constraint = compileConstraint(parseGrammar(grammar), this.#bytes, [this.#tokenizer.eos]);
    } catch (error) {
      if (error instanceof FulguriteError) throw invalid("response_format", `${error.message} ${error.fix}`);
      throw error;
    }
    if (this.#compiled.size >= MOST) this.#compiled.delete(this.#compiled.keys().next().value!);
    this.#compiled.set(grammar, constraint);
    return constraint;
  }
}
