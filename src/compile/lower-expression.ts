import type {
  AnyNode,
  BinaryExpression,
  CallExpression,
  Expression as ExpressionNode,
  Identifier,
  LogicalExpression,
  MemberExpression,
  UnaryExpression,
} from "acorn";
import type { FulguriteError } from "../gpu/error.ts";
import { describe, dottedName } from "./constructs.ts";
import type { ArrayType, Expression, ScalarType } from "./ir.ts";
import { MAX_HYPOT, MAX_POWER, mathConstants, mathFunctions } from "./math-functions.ts";
import type { Scope } from "./scope.ts";
import type { Source } from "./source.ts";

const MAX_DEPTH = 200;
const MAX_NODES = 4096;
/** Largest finite f32. */
export const F32_MAX = 3.4028234663852886e38;

export interface LowerOptions {
  readonly name: string;
  /** Types of the parameters in order; the source may name fewer. */
  readonly parameters: readonly (ScalarType | ArrayType)[];
  /** Names of the elements of array parameters; null accepts any name, to check a source before they are known. */
  readonly fields: readonly string[] | null;
  /** The parameters in words, for messages. */
  readonly signature: string;
  /** Numbers that the source captured, by name. */
  readonly constants: Readonly<Record<string, number>>;
  /** Functions of one f32 callable by bare name; the library's own sources use it. */
  readonly functions: readonly string[];
  readonly result: ScalarType;
}

const typeNames: Record<ScalarType, string> = {
  f32: "a number",
  i32: "an integer",
  bool: "true or false",
};

/** acorn expressions -> intermediate form, types checked. */
export class ExpressionLowering {
  readonly #source: Source;
  readonly #options: LowerOptions;
  readonly #scope: Scope;
  #nodes = 0;
  #depth = 0;

  constructor(source: Source, options: LowerOptions, scope: Scope) {
    this.#source = source;
    this.#options = options;
    this.#scope = scope;
  }

  expression(node: ExpressionNode): Expression {
    this.count(node);
    if (++this.#depth > MAX_DEPTH) throw this.#source.tooDeep(node.start);
    const result = this.#expression(node);
    this.#depth--;
    return result;
  }

  /** Bounds the work that a source can ask for. */
  count(node: AnyNode): void {
    if (++this.#nodes > MAX_NODES) {
      throw this.#source.error(
        "compile/too-large",
        node.start,
        `the function has more than ${MAX_NODES} parts`,
        "Make the function shorter.",
      );
    }
  }

  #expression(node: ExpressionNode): Expression {
    const at = node.start;
    switch (node.type) {
      case "Literal":
        if (typeof node.value === "number") return this.#number(node.value, at, node.raw ?? "the number");
        if (typeof node.value === "boolean") return { kind: "boolean", type: "bool", value: node.value, at };
        throw this.unsupported(node);
      case "Identifier":
        return this.identifier(node);
      case "MemberExpression":
        return this.#member(node);
      case "UnaryExpression":
        return this.#unary(node);
      case "BinaryExpression":
        return this.#binary(node);
      case "LogicalExpression":
        return this.#logical(node);
      case "ConditionalExpression": {
        const condition = this.condition(node.test, "the condition before `?`");
        const then = this.expression(node.consequent);
        const otherwise = this.expression(node.alternate);
        this.expect(otherwise, then.type, node.alternate, "the other branch of `?:` is");
        return { kind: "select", type: then.type, condition, then, otherwise, at };
      }
      case "CallExpression":
        return this.#call(node);
      case "ParenthesizedExpression":
        return this.expression(node.expression);
      default:
        throw this.unsupported(node);
    }
  }

  #number(value: number, at: number, text: string): Expression {
    if (!(Math.abs(value) <= F32_MAX)) {
      throw this.#source.error(
        "compile/non-finite",
        at,
        `${text} is not a finite 32-bit number`,
        "Use a number between -3.4e38 and 3.4e38.",
      );
    }
    return { kind: "number", type: "f32", value, at };
  }

  local(local: number, at: number): Expression {
    const { type } = this.#scope.locals[local]!;
    if (typeof type !== "string") {
      const name = this.#scope.locals[local]!.name;
      throw this.type(
        at,
        `\`${name}\` is a state, not a number`,
        `Read one of its fields: ${this.#fieldList(name)}.`,
      );
    }
    return { kind: "local", type, local, at };
  }

  identifier(node: Identifier): Expression {
    const { name, start } = node;
    const binding = this.#scope.lookup(name);
    if (binding === "later") {
      throw this.type(start, `\`${name}\` is used before its declaration`, "Move the declaration up.");
    }
    if (binding !== undefined) return this.local(binding, start);
    if (Object.hasOwn(this.#options.constants, name)) {
      const value: unknown = this.#options.constants[name];
      if (typeof value !== "number") {
        throw this.type(
          start,
          `\`${name}\` is captured from outside and is not a number`,
          "Capture numbers only.",
        );
      }
      return this.#number(value, start, `\`${name}\` = ${value}`);
    }
    if (name === "NaN" || name === "Infinity") {
      return this.#number(Number(name), start, `\`${name}\``);
    }
    if (name === "undefined") throw this.unsupported(node, "`undefined`", "Use a number.");
    if (name === "arguments") throw this.unsupported(node, "`arguments`", "Name the parameters.");
    if (name === "Math") throw this.type(start, "`Math` is not a number", "Call one of its functions.");
    throw this.#source.error(
      "compile/unbound",
      start,
      `\`${name}\` is not known here`,
      `Define \`${name}\` as a number in another cell, or pass it: { constants: { ${name}: ... } }.`,
    );
  }

  #fieldList(object: string): string {
    return (this.#options.fields ?? ["x"])
      .slice(0, 12)
      .map((field) => `\`${object}.${field}\``)
      .join(", ");
  }

  #member(node: MemberExpression): Expression {
    const { object, property, start: at } = node;
    if (object.type === "Identifier" && object.name === "Math" && this.#scope.lookup("Math") === undefined) {
      const name = node.computed || property.type !== "Identifier" ? null : property.name;
      const value = name === null ? undefined : mathConstants.get(name);
      if (value !== undefined) return { kind: "number", type: "f32", value, at };
      if (name !== null && mathFunctions.has(name)) {
        throw this.type(at, `\`Math.${name}\` is used without calling it`, `Write \`Math.${name}(...)\`.`);
      }
      throw this.unsupported(node, `\`Math.${name ?? "[...]"}\``, "Use a function or constant of Math.");
    }
    if (object.type !== "Identifier") {
      throw this.unsupported(node, "property access", "Only states have fields.");
    }
    const local = this.#scope.lookup(object.name);
    if (typeof local !== "number") {
      const text = dottedName(node) ?? `${object.name}[...]`;
      if (local === undefined && !Object.hasOwn(this.#options.constants, object.name)) {
        throw this.#source.error(
          "compile/unbound",
          at,
          `\`${text}\` is not known here`,
          `Put the number into a constant of its own and use that.`,
        );
      }
      throw this.unsupported(node, `property access \`${text}\``, "Only states have fields.");
    }
    const { type } = this.#scope.locals[local]!;
    if (typeof type === "string") {
      throw this.type(at, `\`${object.name}\` is ${typeNames[type]} and has no fields`, "Use it as it is.");
    }
    const unknown = (what: string): FulguriteError =>
      this.#source.error(
        "compile/unknown-field",
        property.start,
        `${what} is not a field of the state`,
        `The state has ${this.#fieldList(object.name)}.`,
      );
    let name: string;
    if (!node.computed) {
      if (property.type !== "Identifier")
        throw this.unsupported(node, "private field", "Only states have fields.");
      name = property.name;
    } else if (property.type === "Literal" && typeof property.value === "string") name = property.value;
    else {
      const index = constantValue(this.expression(property as ExpressionNode));
      if (index === null) {
        throw this.unsupported(
          property,
          "index that is not a constant",
          "Use the field's name or its number.",
        );
      }
      const length = this.#options.fields ? type.length : Infinity;
      if (!Number.isInteger(index) || index < 0 || index >= length) throw unknown(`index ${index}`);
      return { kind: "element", type: "f32", local, index, at };
    }
    const index = this.#options.fields ? this.#options.fields.indexOf(name) : 0;
    if (index < 0) throw unknown(`\`${name}\``);
    return { kind: "element", type: "f32", local, index, at };
  }

  #unary(node: UnaryExpression): Expression {
    const { operator, start: at } = node;
    if (operator !== "-" && operator !== "+" && operator !== "!") throw this.unsupported(node);
    if (operator === "!") {
      const operand = this.condition(node.argument, "the operand of `!`");
      return { kind: "unary", type: "bool", operator: "not", operand, at };
    }
    const operand = this.#numeric(node.argument, operator);
    return operator === "+" ? operand : { kind: "unary", type: "f32", operator: "negate", operand, at };
  }

  #binary(node: BinaryExpression): Expression {
    const { operator, left: leftNode, right: rightNode, start: at } = node;
    if (leftNode.type === "PrivateIdentifier") throw this.unsupported(node);
    switch (operator) {
      case "===":
      case "!==":
      case "==":
      case "!=": {
        const left = this.expression(leftNode);
        const right = this.expression(rightNode);
        this.expect(right, left.type, rightNode, `the right side of \`${operator}\` is`);
        const equal = operator.startsWith("=") ? "==" : "!=";
        return { kind: "binary", type: "bool", operator: equal, left, right, at };
      }
      case "<":
      case "<=":
      case ">":
      case ">=": {
        const left = this.#numeric(leftNode, operator);
        const right = this.#numeric(rightNode, operator);
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
          this.#numeric(leftNode, operator),
          this.#numeric(rightNode, operator),
          at,
        );
      default:
        throw this.unsupported(node);
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
    if (operator === "??") throw this.unsupported(node);
    const left = this.condition(node.left, `the left side of \`${operator}\``);
    const right = this.condition(node.right, `the right side of \`${operator}\``);
    return { kind: "binary", type: "bool", operator, left, right, at };
  }

  #call(node: CallExpression): Expression {
    const { callee, start: at } = node;
    if (node.optional) throw this.unsupported(node, "optional call `?.()`", "Call it directly.");
    const name = dottedName(callee);
    const math =
      name?.startsWith("Math.") === true && this.#scope.lookup("Math") === undefined
        ? mathFunctions.get(name.slice(5))
        : undefined;
    const library = name !== null && this.#options.functions.includes(name) ? name : null;
    if (name === null || (!math && library === null)) throw this.unsupported(node);
    const numbers = node.arguments.map((argument) => {
      if (argument.type === "SpreadElement") throw this.unsupported(argument);
      return this.#numeric(argument, name);
    });
    if (!math) return { kind: "call", type: "f32", callee: name, arguments: numbers, at };
    const arity = (least: number, most: number): void => {
      if (numbers.length >= least && numbers.length <= most) return;
      const wanted = least === most ? `${least}` : most === Infinity ? "1 or more" : `${least} to ${most}`;
      throw this.type(
        at,
        `\`${name}\` takes ${wanted} ${wanted === "1" ? "argument" : "arguments"}, not ${numbers.length}`,
        "Give it as many numbers as it takes.",
      );
    };
    switch (math.kind) {
      case "unary":
        arity(1, 1);
        return { kind: "unary", type: "f32", operator: math.operator, operand: numbers[0]!, at };
      case "fold":
        arity(1, Infinity);
        // Folding nests one level an argument.
        if (numbers.length > MAX_DEPTH) throw this.#source.tooDeep(at);
        return numbers.reduce((left, right) => ({
          kind: "binary",
          type: "f32",
          operator: math.operator,
          left,
          right,
          at,
        }));
      case "call":
        arity(math.arity, math.arity);
        return { kind: "call", type: "f32", callee: math.callee, arguments: numbers, at };
      case "hypot":
        arity(1, MAX_HYPOT);
        return { kind: "call", type: "f32", callee: `hypot${numbers.length}`, arguments: numbers, at };
      case "pow":
        arity(2, 2);
        return power(numbers[0]!, numbers[1]!, at);
    }
  }

  #numeric(node: ExpressionNode, operator: string): Expression {
    const value = this.expression(node);
    this.expect(value, "f32", node, `\`${operator}\` takes`);
    return value;
  }

  condition(node: ExpressionNode, what: string): Expression {
    const value = this.expression(node);
    if (value.type !== "bool") {
      throw this.type(node.start, `${what} is a number`, "Compare it: `x !== 0`, `x > 0`.");
    }
    return value;
  }

  expect(value: Expression, type: ScalarType, node: AnyNode, what: string): void {
    if (value.type === type) return;
    const fix =
      value.type === "bool" ? "Turn the condition into a number: `condition ? 1 : 0`." : "Use a comparison.";
    throw this.type(node.start, `${what} ${typeNames[type]}, and this is ${typeNames[value.type]}`, fix);
  }

  type(at: number, message: string, fix: string): FulguriteError {
    return this.#source.error("compile/type", at, message, fix);
  }

  unsupported(node: AnyNode, construct?: string, fix?: string): FulguriteError {
    const [name, advice] = describe(node);
    return this.#source.error(
      "compile/unsupported",
      node.start,
      `${construct ?? name} cannot be compiled`,
      fix ?? advice,
    );
  }
}

/** Value of an expression made of literals alone, or null. */
function constantValue(node: Expression): number | null {
  if (node.kind === "number") return node.value;
  if (node.kind === "unary" && node.operator === "negate") {
    const value = constantValue(node.operand);
    return value === null ? null : -value;
  }
  if (node.kind === "binary") {
    const left = constantValue(node.left);
    const right = constantValue(node.right);
    if (left === null || right === null) return null;
    switch (node.operator) {
      case "+":
        return left + right;
      case "-":
        return left - right;
      case "*":
        return left * right;
      case "/":
        return left / right;
      default:
        return null;
    }
  }
  return null;
}

/** `base ** exponent`: multiplications, a square root, or the general function. */
function power(base: Expression, exponent: Expression, at: number): Expression {
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
