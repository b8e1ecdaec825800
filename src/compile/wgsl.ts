import mathWgsl from "../../shaders/common/math.wgsl?raw";
import { type BinaryOperator, type Expression, type IrFunction, isComparison, type Statement } from "./ir.ts";
import { isPrimitive, libraryFunction, type Primitive } from "./library.ts";

/** How tightly a WGSL expression binds; an operand must bind tighter, or as tight on the left. */
const binding = { logical: 1, comparison: 2, additive: 3, multiplicative: 4, unary: 5, primary: 6 } as const;
type Binding = (typeof binding)[keyof typeof binding];

interface Text {
  readonly text: string;
  readonly binding: Binding;
  /** Nested operations; WGSL parsers stop at a few hundred. */
  readonly depth: number;
}

const MAX_DEPTH = 24;

const primitiveNames: Readonly<Record<Primitive, string>> = {
  sin: "math_sin",
  cos: "math_cos",
  exp: "math_exp",
  logPositive: "math_log",
  tanh: "math_tanh",
};

/** Shortest decimal that is the same f32, in WGSL's spelling. */
export function wgslNumber(value: number): string {
  let text = String(value);
  for (let digits = 1; digits <= 9; digits++) {
    const short = value.toPrecision(digits);
    if (Math.fround(Number(short)) === Math.fround(value)) {
      text = String(Number(short));
      break;
    }
  }
  return /[.e]/.test(text) ? text.replace("e+", "e") : `${text}.0`;
}

/**
 * Intermediate form -> WGSL. `parameters` is the parameter list's text, `names` the parameters' names in it.
 * Helpers come first, each once, named `reward_...`. Expects folded input: no constant expression is left
 * that WGSL could evaluate and refuse.
 */
export function emitWgsl(source: IrFunction, names: readonly string[], parameters: string): string {
  const helpers = new Map<string, string>();
  const main = emitFunction(source, source.name, names, parameters, helpers);
  return [...helpers.values(), main].join("\n\n") + "\n";
}

function emitFunction(
  source: IrFunction,
  name: string,
  names: readonly string[],
  parameters: string,
  helpers: Map<string, string>,
): string {
  const lines: string[] = [];
  let indent = "  ";
  let temporaries = 0;
  // A suffix keeps clear of reserved words, of other locals and of every function.
  const localName = (local: number): string =>
    names[local] ?? `${source.locals[local]!.name.replace(/^[^A-Za-z]+|[^A-Za-z0-9]/g, "") || "v"}_${local}`;

  const at = (child: Text, least: Binding): string =>
    child.binding >= least ? child.text : `(${child.text})`;
  const primary = (text: string, depth: number): Text => ({ text, binding: binding.primary, depth });
  /** Names what has grown too deep; expressions have no effects, so when they run does not matter. */
  const shallow = (value: Text): Text => {
    if (value.depth < MAX_DEPTH) return value;
    const name = `part_${source.locals.length}_${temporaries++}`;
    lines.push(`${indent}let ${name} = ${value.text};`);
    return primary(name, 0);
  };

  const expression = (node: Expression): Text => shallow(build(node));
  const build = (node: Expression): Text => {
    switch (node.kind) {
      case "number": {
        const text = wgslNumber(node.value);
        return text.startsWith("-") ? { text, binding: binding.unary, depth: 0 } : primary(text, 0);
      }
      case "boolean":
        return primary(String(node.value), 0);
      case "local":
        return primary(localName(node.local), 0);
      case "element":
        return primary(`${localName(node.local)}[${node.index}]`, 0);
      case "unary": {
        const operand = expression(node.operand);
        const depth = operand.depth + 1;
        if (node.operator === "negate" || node.operator === "not") {
          const sign = node.operator === "negate" ? "-" : "!";
          return { text: `${sign}${at(operand, binding.primary)}`, binding: binding.unary, depth };
        }
        return primary(`${node.operator}(${operand.text})`, depth);
      }
      case "binary": {
        const left = expression(node.left);
        const right = expression(node.right);
        const depth = Math.max(left.depth, right.depth) + 1;
        if (node.operator === "min" || node.operator === "max") {
          return primary(`${node.operator}(${left.text}, ${right.text})`, depth);
        }
        const [own, first, second] = operatorBinding(node.operator, node.left);
        return {
          text: `${at(left, first)} ${node.operator} ${at(right, second)}`,
          binding: own,
          depth,
        };
      }
      case "select": {
        const otherwise = expression(node.otherwise);
        const then = expression(node.then);
        const condition = expression(node.condition);
        const depth = Math.max(otherwise.depth, then.depth, condition.depth) + 1;
        return primary(`select(${otherwise.text}, ${then.text}, ${condition.text})`, depth);
      }
      case "call": {
        const values = node.arguments.map(expression);
        const depth = Math.max(0, ...values.map((value) => value.depth)) + 1;
        const callee = helper(node.callee, helpers);
        return primary(`${callee}(${values.map((value) => value.text).join(", ")})`, depth);
      }
    }
  };

  const statements = (nodes: readonly Statement[]): void => {
    for (const node of nodes) {
      statement(node);
      if (node.kind === "return") return;
    }
  };
  const nested = (nodes: readonly Statement[]): void => {
    indent += "  ";
    statements(nodes);
    indent = indent.slice(2);
  };
  const statement = (node: Statement): void => {
    switch (node.kind) {
      case "declare": {
        const value = expression(node.value);
        const keyword = source.locals[node.local]!.mutable ? "var" : "let";
        lines.push(`${indent}${keyword} ${localName(node.local)} = ${value.text};`);
        return;
      }
      case "assign": {
        const value = expression(node.value);
        lines.push(`${indent}${localName(node.local)} = ${value.text};`);
        return;
      }
      case "return": {
        const value = expression(node.value);
        lines.push(`${indent}return ${value.text};`);
        return;
      }
      case "if":
        branch(node, "");
    }
  };
  const branch = (node: Statement & { kind: "if" }, prefix: string): void => {
    const before = lines.length;
    const condition = expression(node.condition);
    // `else if` has no room for named parts of its condition.
    if (prefix !== "" && lines.length > before) {
      lines.splice(before);
      lines.push(`${indent}} else {`);
      nested([node]);
      lines.push(`${indent}}`);
      return;
    }
    lines.push(`${indent}${prefix}if (${condition.text}) {`);
    nested(node.then);
    const [only, ...more] = node.otherwise;
    if (only?.kind === "if" && more.length === 0) {
      branch(only, "} else ");
      return;
    }
    if (only) {
      lines.push(`${indent}} else {`);
      nested(node.otherwise);
    }
    lines.push(`${indent}}`);
  };

  statements(source.body);
  return [`fn ${name}(${parameters}) -> f32 {`, ...lines, "}"].join("\n");
}

/** Binding of the result and the least of both operands. WGSL mixes neither && with || nor comparisons. */
function operatorBinding(operator: BinaryOperator, left: Expression): readonly [Binding, Binding, Binding] {
  if (operator === "+" || operator === "-") {
    return [binding.additive, binding.additive, binding.multiplicative];
  }
  if (operator === "*" || operator === "/") {
    return [binding.multiplicative, binding.multiplicative, binding.unary];
  }
  if (isComparison(operator)) return [binding.comparison, binding.additive, binding.additive];
  const chained = left.kind === "binary" && left.operator === operator;
  return [binding.logical, chained ? binding.logical : binding.comparison, binding.comparison];
}

/** Name of a helper in WGSL; adds its text, and that of those it calls, before. */
function helper(callee: string, helpers: Map<string, string>): string {
  if (isPrimitive(callee)) return mathHelper(primitiveNames[callee], helpers);
  const name = `reward_${callee}`;
  if (!helpers.has(name)) {
    const body = libraryFunction(callee);
    const names = body.locals.slice(0, body.parameterCount).map((local) => local.name);
    const parameters = names.map((parameter) => `${parameter}: f32`).join(", ");
    const text = emitFunction(body, name, names, parameters, helpers);
    helpers.set(name, text);
  }
  return name;
}

/** A function of `shaders/common/math.wgsl` under our own prefix, so that a shader may include both. */
function mathHelper(mathName: string, helpers: Map<string, string>): string {
  const rename = (text: string): string => text.replaceAll("math_", "reward_math_");
  const name = rename(mathName);
  if (!helpers.has(name)) {
    const start = mathWgsl.indexOf(`fn ${mathName}(`);
    const end = mathWgsl.indexOf("\n}", start);
    if (start < 0 || end < 0) throw new Error(`shaders/common/math.wgsl has no ${mathName}`);
    const text = mathWgsl.slice(start, end + 2);
    for (const [called] of text.matchAll(/math_\w+/g)) if (called !== mathName) mathHelper(called, helpers);
    helpers.set(name, rename(text));
  }
  return name;
}
