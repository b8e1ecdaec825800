import {
  type ArrowFunctionExpression,
  type Expression,
  type FunctionExpression,
  parseExpressionAt,
} from "acorn";
import { FulguriteError } from "../gpu/error.ts";

/** Largest source text, characters. */
const MAX_LENGTH = 32_768;

export type FunctionNode = ArrowFunctionExpression | FunctionExpression;

/** Source text of one function, and where it stands in its cell. */
export class Source {
  readonly text: string;
  /** 1-based line of the cell on which `text` begins. */
  readonly firstLine: number;
  /** What the function is called where there are several; null where it is the only one. */
  readonly name: string | null;

  constructor(text: string, firstLine: number, name: string | null = null) {
    this.text = text;
    this.firstLine = firstLine;
    this.name = name;
  }

  /** An error at an offset; line counted in the cell, column in the source's own line, both from 1. */
  error(code: string, at: number, message: string, fix: string): FulguriteError {
    const before = this.text.slice(0, at);
    const line = before.split("\n").length - 1;
    return new FulguriteError(code, this.name === null ? message : `\`${this.name}\`: ${message}`, fix, {
      line: this.firstLine + line,
      column: at - (before.lastIndexOf("\n") + 1) + 1,
    });
  }

  /**
   * The one function expression that the text consists of. Throws `compile/syntax` where it is none,
   * `compile/too-large` where it is too long or too deep to parse.
   */
  parse(): FunctionNode {
    const { text } = this;
    if (text.length > MAX_LENGTH) {
      throw this.error(
        "compile/too-large",
        0,
        `the function is ${text.length} characters long; at most ${MAX_LENGTH} are compiled`,
        "Make the function shorter.",
      );
    }
    let node: Expression;
    try {
      node = parseExpressionAt(text, 0, { ecmaVersion: "latest" });
    } catch (error) {
      if (error instanceof SyntaxError && "pos" in error) {
        // acorn's words for a stack overflow.
        if (error.message.startsWith("Not enough stack space")) throw this.tooDeep(0);
        const at = Math.min(Number(error.pos), text.length);
        const message = error.message.replace(/ \(\d+:\d+\)$/, "");
        throw this.error(
          "compile/syntax",
          at,
          `syntax error: ${message}`,
          "Write an arrow function such as `(s, a, next) => 1 - 0.1 * Math.abs(next.x)`; TypeScript types must be stripped before.",
        );
      }
      // The parser recurses; hostile nesting ends here.
      if (error instanceof RangeError) throw this.tooDeep(0);
      throw error;
    }
    if (node.type !== "ArrowFunctionExpression" && node.type !== "FunctionExpression") {
      throw this.error(
        "compile/syntax",
        node.start,
        "expected a function",
        "Write an arrow function such as `(s, a, next) => 1 - 0.1 * Math.abs(next.x)`.",
      );
    }
    const rest = text.slice(node.end).replace(/^(\s|;|\)|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/, "");
    if (rest !== "") {
      throw this.error(
        "compile/syntax",
        text.length - rest.length,
        "unexpected text after the function",
        "Give one function and nothing after it.",
      );
    }
    return node;
  }

  tooDeep(at: number): FulguriteError {
    return this.error(
      "compile/too-large",
      at,
      "the function is nested too deeply",
      "Give parts of the expression a name with `const`.",
    );
  }
}
