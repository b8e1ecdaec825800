import type { AnyNode, Expression as ExpressionNode } from "acorn";
import type { FulguriteError } from "../gpu/error.ts";
import { describe } from "./constructs.ts";
import type { Expression, ScalarType, Statement } from "./ir.ts";
import type { Layout } from "./layout.ts";
import type { Program } from "./program.ts";
import { Scope } from "./scope.ts";
import type { Source } from "./source.ts";

const MAX_NODES = 4096;
/** Rounds of nested loops, all in all: what a step of an environment may cost. */
const MAX_ROUNDS = 65_536;

export const typeNames: Record<ScalarType, string> = {
  f32: "a number",
  bool: "true or false",
};

/** What the lowering of one function knows and has found out so far. */
export class LowerContext {
  readonly source: Source;
  readonly program: Program;
  readonly scope = new Scope();
  /** Statements that must run before the one being lowered. */
  pending: Statement[] = [];
  /** Parameters that are locals. */
  parameterCount = 0;
  /** The state that the function may write. */
  state: { readonly local: number; readonly layout: Layout } | null = null;
  draws = false;
  readonly writes = new Set<number>();
  /** Above 0 where an expression is not always computed: nothing there may draw. */
  conditional = 0;
  /** Rounds of the loops around this place. */
  rounds = 1;
  mostRounds = 1;
  readonly #constants = new Map<string, number>();
  #nodes = 0;

  constructor(source: Source, program: Program) {
    this.source = source;
    this.program = program;
  }

  /** Bounds the work that a source can ask for. */
  count(node: AnyNode): void {
    if (++this.#nodes > MAX_NODES) {
      throw this.source.error(
        "compile/too-large",
        node.start,
        `the function has more than ${MAX_NODES} parts`,
        "Make the function shorter.",
      );
    }
  }

  /** Counts `rounds` more of everything here. */
  repeat(rounds: number, at: number): void {
    const all = this.rounds * rounds;
    this.mostRounds = Math.max(this.mostRounds, all);
    if (all <= MAX_ROUNDS) return;
    throw this.source.error(
      "compile/too-large",
      at,
      `the loops run more than ${MAX_ROUNDS} times`,
      "Use fewer rounds.",
    );
  }

  /** A captured value, if that name is one. */
  captured(name: string): unknown {
    return Object.hasOwn(this.program.constants, name) ? this.program.constants[name] : undefined;
  }

  /** The local that holds a captured list. */
  constantList(name: string, values: readonly number[]): number {
    let local = this.#constants.get(name);
    if (local === undefined) {
      local = this.scope.add(name, { kind: "array", length: values.length }, false, values.map(Math.fround));
      this.#constants.set(name, local);
    }
    return local;
  }

  /** A value that is computed before the statement being lowered, and its name. */
  hoist(statement: (local: number) => Statement, type: ScalarType, name: string, at: number): Expression {
    const local = this.scope.add(name, type, false);
    this.pending.push(statement(local));
    return { kind: "local", type, local, at };
  }

  /** Marks that this place draws random numbers. */
  draw(node: AnyNode, what: string): void {
    if (this.conditional > 0) {
      throw this.unsupported(
        node,
        `${what} inside \`?:\`, \`&&\`, \`||\` or a loop's head`,
        "Draw it before, into a `const`, or use `if`.",
      );
    }
    this.draws = true;
  }

  expect(value: Expression, type: ScalarType, node: AnyNode, what: string): void {
    if (value.type === type) return;
    const fix =
      value.type === "bool" ? "Turn the condition into a number: `condition ? 1 : 0`." : "Use a comparison.";
    throw this.type(node.start, `${what} ${typeNames[type]}, and this is ${typeNames[value.type]}`, fix);
  }

  type(at: number, message: string, fix: string): FulguriteError {
    return this.source.error("compile/type", at, message, fix);
  }

  unsupported(node: AnyNode, construct?: string, fix?: string): FulguriteError {
    const [name, advice] = describe(node);
    return this.source.error(
      "compile/unsupported",
      node.start,
      `${construct ?? name} cannot be compiled`,
      fix ?? advice,
    );
  }

  unbound(at: number, text: string): FulguriteError {
    return this.source.error(
      "compile/unbound",
      at,
      `\`${text}\` is not known here`,
      /^[\p{L}\p{N}_$]+$/u.test(text)
        ? `Define \`${text}\` as a number in another cell, or pass it: { constants: { ${text}: ... } }.`
        : "Put the number into a constant of its own and use that.",
    );
  }
}

/** A number without the parentheses that acorn may keep. */
export const bare = (node: ExpressionNode): ExpressionNode =>
  node.type === "ParenthesizedExpression" ? bare(node.expression) : node;
