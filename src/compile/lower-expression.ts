import type {
  BinaryExpression,
  CallExpression,
  Expression as ExpressionNode,
  Identifier,
  LogicalExpression,
  UnaryExpression,
} from "acorn";
import { constantValue } from "./constant-value.ts";
import type { Expression, ScalarType, Statement } from "./ir.ts";
import { AccessLowering } from "./lower-access.ts";
import { CallLowering } from "./lower-call.ts";
import { bare, type LowerContext } from "./lower-context.ts";
import { MAX_POWER } from "./math-functions.ts";

/** Nested expressions; the lowering recurses. */
export const MAX_DEPTH = 200;
/** Most numbers of a list. */
export const MAX_LIST = 1024;
/** Largest finite f32. */
export const F32_MAX = 3.4028234663852886e38;

/** acorn expressions -> intermediate form, types checked. */
export class ExpressionLowering {
  readonly access: AccessLowering;
  readonly #context: LowerContext;
  readonly #calls: CallLowering;
  #depth = 0;

  constructor(context: LowerContext) {
    this.#context = context;
    this.access = new AccessLowering(context, (node) => this.expression(node));
    this.#calls = new CallLowering(context, this);
  }

  expression(node: ExpressionNode): Expression {
    this.#context.count(node);
    if (++this.#depth > MAX_DEPTH) throw this.#context.source.tooDeep(node.start);
    const result = this.#expression(node);
    this.#depth--;
    return result;
  }

  /** The whole value of a statement, which may be a call that writes. */
  value(node: ExpressionNode): Expression {
    const whole = bare(node);
    return whole.type === "CallExpression" ? this.#calls.value(whole) : this.expression(node);
  }

  /** A call as a statement. */
  effect(node: CallExpression): Statement {
    return this.#calls.effect(node);
  }

  #expression(node: ExpressionNode): Expression {
    const at = node.start;
    switch (node.type) {
      case "Literal":
        if (typeof node.value === "number") return this.number(node.value, at, node.raw ?? "the number");
        if (typeof node.value === "boolean") return { kind: "boolean", type: "bool", value: node.value, at };
        throw this.#context.unsupported(node);
      case "Identifier":
        return this.identifier(node);
      case "MemberExpression":
        return this.access.member(node);
      case "UnaryExpression":
        return this.#unary(node);
      case "BinaryExpression":
        return this.#binary(node);
      case "LogicalExpression":
        return this.#logical(node);
      case "ConditionalExpression": {
        const condition = this.condition(node.test, "the condition before `?`");
        this.#context.conditional++;
        const then = this.expression(node.consequent);
        const otherwise = this.expression(node.alternate);
        this.#context.conditional--;
        this.#context.expect(otherwise, then.type, node.alternate, "the other branch of `?:` is");
        return { kind: "select", type: then.type, condition, then, otherwise, at };
      }
      case "CallExpression":
        return this.#calls.expression(node);
      case "ParenthesizedExpression":
        return this.expression(node.expression);
      default:
        throw this.#context.unsupported(node);
    }
  }

  number(value: number, at: number, text: string): Expression {
    if (!(Math.abs(value) <= F32_MAX)) {
      throw this.#context.source.error(
        "compile/non-finite",
        at,
        `${text} is not a finite 32-bit number`,
        "Use a number between -3.4e38 and 3.4e38.",
      );
    }
    return { kind: "number", type: "f32", value, at };
  }

  identifier(node: Identifier): Expression {
    const { name, start } = node;
    const context = this.#context;
    const binding = context.scope.lookup(name);
    switch (binding?.kind) {
      case "later":
        throw context.type(start, `\`${name}\` is used before its declaration`, "Move the declaration up.");
      case "paint":
        throw context.type(start, `\`${name}\` is not a number`, `Paint: \`${name}.circle(...)\`.`);
      case "random":
        throw context.type(
          start,
          `\`${name}\` is not a number`,
          `Draw one: \`${name}.uniform()\`, \`${name}.normal()\`, \`${name}.integer(n)\`.`,
        );
      case "array":
        throw this.access.notANumber(name, binding, start);
      case "scalar":
        if (binding.constant !== null) return this.number(binding.constant, start, name);
        return this.local(binding.local, start);
      case undefined:
    }
    const value = context.captured(name);
    if (value !== undefined) {
      if (Array.isArray(value) && this.access.list(node)) {
        throw context.type(
          start,
          `\`${name}\` is a list, not a number`,
          `Read one of its elements: \`${name}[0]\`.`,
        );
      }
      if (typeof value !== "number") {
        throw context.type(
          start,
          `\`${name}\` is captured from outside and is not a number`,
          "Capture numbers and lists of numbers only.",
        );
      }
      return this.number(value, start, `\`${name}\` = ${value}`);
    }
    if (name === "NaN" || name === "Infinity") return this.number(Number(name), start, `\`${name}\``);
    if (name === "undefined") throw context.unsupported(node, "`undefined`", "Use a number.");
    if (name === "arguments") throw context.unsupported(node, "`arguments`", "Name the parameters.");
    if (name === "Math") throw context.type(start, "`Math` is not a number", "Call one of its functions.");
    if (context.program.has(name)) {
      throw context.type(start, `\`${name}\` is used without calling it`, `Write \`${name}(...)\`.`);
    }
    throw context.unbound(start, name);
  }

  /** Reads a scalar. */
  local(local: number, at: number): Expression {
    const type = this.#context.scope.locals[local]!.type as ScalarType;
    return { kind: "local", type, local, at };
  }

  #unary(node: UnaryExpression): Expression {
    const { operator, start: at } = node;
    if (operator !== "-" && operator !== "+" && operator !== "!") throw this.#context.unsupported(node);
    if (operator === "!") {
      const operand = this.condition(node.argument, "the operand of `!`");
      return { kind: "unary", type: "bool", operator: "not", operand, at };
    }
    const operand = this.numeric(node.argument, operator);
    return operator === "+" ? operand : { kind: "unary", type: "f32", operator: "negate", operand, at };
  }

  #binary(node: BinaryExpression): Expression {
    const { operator, left: leftNode, right: rightNode, start: at } = node;
    if (leftNode.type === "PrivateIdentifier") throw this.#context.unsupported(node);
    switch (operator) {
      case "===":
      case "!==":
      case "==":
      case "!=": {
        const left = this.expression(leftNode);
        const right = this.expression(rightNode);
        this.#context.expect(right, left.type, rightNode, `the right side of \`${operator}\` is`);
        const equal = operator.startsWith("=") ? "==" : "!=";
        return { kind: "binary", type: "bool", operator: equal, left, right, at };
      }
      case "<":
      case "<=":
      case ">":
      case ">=": {
        const left = this.numeric(leftNode, operator);
        const right = this.numeric(rightNode, operator);
        return { kind: "binary", type: "bool", operator, left, right, at };
      }
      case "+":
      case "-":
      case "*":
      case "/":
      case "%":
      case "**":
        return this.arithmetic(
          operator,
          this.numeric(leftNode, operator),
          this.numeric(rightNode, operator),
          at,
        );
      default:
        throw this.#context.unsupported(node);
    }
  }

  /** Arithmetic on two numbers; `%` and `**` become calls of the library. */
  arithmetic(
    operator: "+" | "-" | "*" | "/" | "%" | "**",
    left: Expression,
    right: Expression,
    at: number,
  ): Expression {
    if (operator === "%") {
      return { kind: "call", type: "f32", callee: "remainder", arguments: [left, right], at };
    }
    if (operator === "**") return power(left, right, at);
    return { kind: "binary", type: "f32", operator, left, right, at };
  }

  #logical(node: LogicalExpression): Expression {
    const { operator, start: at } = node;
    if (operator === "??") throw this.#context.unsupported(node);
    const left = this.condition(node.left, `the left side of \`${operator}\``);
    this.#context.conditional++;
    const right = this.condition(node.right, `the right side of \`${operator}\``);
    this.#context.conditional--;
    return { kind: "binary", type: "bool", operator, left, right, at };
  }

  /** The numbers of a new list, `[1, x, 2]`, `new Array(9).fill(0)`, `Array(9).fill(0)`; null for anything else. */
  elements(node: ExpressionNode): Expression[] | null {
    const context = this.#context;
    if (node.type === "ArrayExpression") {
      const { length } = node.elements;
      if (length === 0 || length > MAX_LIST) {
        throw context.unsupported(node, `list of ${length} numbers`, `Use 1 to ${MAX_LIST}.`);
      }
      return node.elements.map((element) => {
        if (!element || element.type === "SpreadElement") throw context.unsupported(element ?? node);
        return this.numeric(element, "[...]");
      });
    }
    if (node.type !== "CallExpression" || node.callee.type !== "MemberExpression") return null;
    const { object, property } = node.callee;
    if (property.type !== "Identifier" || property.name !== "fill") return null;
    if (object.type !== "NewExpression" && object.type !== "CallExpression") return null;
    const [count, ...more] = object.arguments;
    const [fill] = node.arguments;
    if (object.callee.type !== "Identifier" || object.callee.name !== "Array" || !count || more.length > 0)
      return null;
    if (count.type === "SpreadElement" || !fill || fill.type === "SpreadElement") return null;
    const length = constantValue(this.expression(count));
    if (length === null || !Number.isInteger(length) || length < 1 || length > MAX_LIST) {
      throw context.unsupported(count, "list whose length is not a constant", `Use 1 to ${MAX_LIST}.`);
    }
    const value = this.numeric(fill, "fill");
    if (constantValue(value) === null) {
      throw context.unsupported(fill, "`fill` with what is not a constant", "Fill it in a `for` loop.");
    }
    return Array.from({ length }, () => value);
  }

  numeric(node: ExpressionNode, operator: string): Expression {
    const value = this.expression(node);
    this.#context.expect(value, "f32", node, `\`${operator}\` takes`);
    return value;
  }

  condition(node: ExpressionNode, what: string): Expression {
    const value = this.expression(node);
    if (value.type !== "bool") {
      throw this.#context.type(node.start, `${what} is a number`, "Compare it: `x !== 0`, `x > 0`.");
    }
    return value;
  }
}

/** `base ** exponent`: multiplications, a square root, or the general function. */
export function power(base: Expression, exponent: Expression, at: number): Expression {
  const value = constantValue(exponent);
  if (value === 0) return { kind: "number", type: "f32", value: 1, at };
  if (value === 1) return base;
  if (value === 0.5) return { kind: "unary", type: "f32", operator: "sqrt", operand: base, at };
  if (value !== null && Number.isInteger(value) && Math.abs(value) <= MAX_POWER) {
    const size = Math.abs(value);
    const positive: Expression =
      size === 1 ? base : { kind: "call", type: "f32", callee: `power${size}`, arguments: [base], at };
    if (value > 0) return positive;
    const one: Expression = { kind: "number", type: "f32", value: 1, at };
    return { kind: "binary", type: "f32", operator: "/", left: one, right: positive, at };
  }
  return { kind: "call", type: "f32", callee: "pow", arguments: [base, exponent], at };
}
