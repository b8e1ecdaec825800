import mathWgsl from "../../shaders/common/math.wgsl?raw";
import {
  type BinaryOperator,
  type Call,
  type Expression,
  type IrFunction,
  isComparison,
  leaves,
  type Statement,
} from "./ir.ts";
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

/** A function that other shader code calls. */
export interface WgslEntry {
  readonly source: IrFunction;
  readonly name: string;
  /** Names of its parameters. */
  readonly names: readonly string[];
  /** Takes arrays as values instead of pointers; it writes none of them. */
  readonly byValue: boolean;
}

/**
 * Intermediate form -> WGSL. Helpers come first, each once, named `{prefix}_...`. Functions that draw take a last
 * parameter `generator: ptr<function, {prefix}_generator>` and call `{prefix}_draw(generator)`, which are the
 * caller's. Expects folded input: no constant expression is left that WGSL could evaluate and refuse.
 */
export function emitWgsl(entries: readonly WgslEntry[], prefix: string): string {
  const helpers = new Helpers(prefix);
  const functions = entries.map(({ source, name, names, byValue }) =>
    emitFunction(source, name, names, byValue, helpers),
  );
  return [...helpers.texts, ...functions].join("\n\n") + "\n";
}

function emitFunction(
  source: IrFunction,
  name: string,
  names: readonly string[],
  byValue: boolean,
  helpers: Helpers,
): string {
  const lines: string[] = [];
  let indent = "  ";
  let temporaries = 0;
  // A suffix keeps clear of reserved words, of other locals and of every function.
  const localName = (local: number): string =>
    names[local] ?? `${source.locals[local]!.name.replace(/^[^A-Za-z]+|[^A-Za-z0-9]/g, "") || "v"}_${local}`;
  const isPointer = (local: number): boolean => local < source.parameterCount && !byValue;
  const copies = new Map<number, string>();

  /** An array as something to index. */
  const arrayName = (local: number): string => {
    const { constant } = source.locals[local]!;
    if (constant) return helpers.constant(source.locals[local]!.name, constant);
    return isPointer(local) ? `(*${localName(local)})` : localName(local);
  };
  /** A pointer to an array; what is no variable is copied to one first. */
  const pointer = (local: number): string => {
    if (isPointer(local)) return localName(local);
    const given = local < source.parameterCount || source.locals[local]!.constant !== undefined;
    if (given) copies.set(local, `copy_${local}`);
    return `&${given ? `copy_${local}` : localName(local)}`;
  };

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
        return primary(`${arrayName(node.local)}[${node.index}]`, 0);
      case "item": {
        const index = expression(node.index);
        const text = `${arrayName(node.local)}[${elementIndex(index.text, node.offset, node.length)}]`;
        return primary(text, index.depth + 1);
      }
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
      case "call":
        return call(node);
    }
  };

  const call = (node: Call): Text => {
    const own = source.functions.get(node.callee);
    const values = node.arguments.map((argument) =>
      argument.kind === "reference" ? primary(pointer(argument.local), 0) : expression(argument),
    );
    const depth = Math.max(0, ...values.map((value) => value.depth)) + 1;
    const callee = own ? helpers.own(own) : helpers.library(node.callee);
    const texts = values.map((value) => value.text);
    if (own?.draws) texts.push("generator");
    return primary(`${callee}(${texts.join(", ")})`, depth);
  };

  const statements = (nodes: readonly Statement[]): void => {
    for (const node of nodes) {
      statement(node);
      if (leaves(node)) return;
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
        const value = node.value ? ` ${expression(node.value).text}` : "";
        lines.push(`${indent}return${value};`);
        return;
      }
      case "draw":
        lines.push(`${indent}let ${localName(node.local)} = ${helpers.prefix}_draw(generator);`);
        return;
      case "run":
        lines.push(`${indent}${call(node.call).text};`);
        return;
      case "array": {
        const values = node.values.map((value) => expression(value).text);
        const type = `array<f32, ${values.length}>`;
        const zero = values.every((value) => value === "0.0");
        const first = zero ? `: ${type} = ${type}()` : ` = ${type}(${values.join(", ")})`;
        lines.push(`${indent}var ${localName(node.local)}${first};`);
        return;
      }
      case "store": {
        const index =
          node.index.kind === "number" && node.index.value === 0
            ? String(node.offset)
            : elementIndex(expression(node.index).text, node.offset, node.length);
        const value = expression(node.value);
        lines.push(`${indent}${arrayName(node.local)}[${index}] = ${value.text};`);
        return;
      }
      case "break":
      case "continue":
        lines.push(`${indent}${node.kind};`);
        return;
      case "loop": {
        const counter = localName(node.local);
        const start = expression(node.start).text;
        const condition = expression(node.condition).text;
        const update = expression(node.update).text;
        lines.push(`${indent}for (var ${counter} = ${start}; ${condition}; ${counter} = ${update}) {`);
        nested(node.body);
        lines.push(`${indent}}`);
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
  const parameters = source.locals.slice(0, source.parameterCount).map(({ type }, i) => {
    if (typeof type === "string") return `${localName(i)}: ${type}`;
    const array = `array<f32, ${type.length}>`;
    return `${localName(i)}: ${byValue ? array : `ptr<function, ${array}>`}`;
  });
  if (source.draws) parameters.push(`generator: ptr<function, ${helpers.prefix}_generator>`);
  const copied = [...copies].map(([local, copy]) => {
    const { constant, name: own } = source.locals[local]!;
    return `  var ${copy} = ${constant ? helpers.constant(own, constant) : localName(local)};`;
  });
  const result = source.result === null ? "" : `-> ${source.result} `;
  return [`fn ${name}(${parameters.join(", ")}) ${result}{`, ...copied, ...lines, "}"].join("\n");
}

/** An index, truncated and held within the list. */
const elementIndex = (index: string, offset: number, length: number): string => {
  const held = `u32(clamp(${index}, 0.0, ${length - 1}.0))`;
  return offset === 0 ? held : `${held} + ${offset}u`;
};

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

/** Functions and constants that the entries need, each once and after those that it needs itself. */
class Helpers {
  readonly prefix: string;
  readonly #texts = new Map<string, string>();

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  get texts(): Iterable<string> {
    return this.#texts.values();
  }

  /** Name of one of the program's own functions. */
  own(source: IrFunction): string {
    const name = `${this.prefix}_${source.name}`;
    if (!this.#texts.has(name)) this.#texts.set(name, emitFunction(source, name, [], false, this));
    return name;
  }

  /** Name of a primitive or of a function of the library. */
  library(callee: string): string {
    if (isPrimitive(callee)) return this.#math(primitiveNames[callee]);
    const name = `${this.prefix}_${callee}`;
    if (!this.#texts.has(name)) {
      const body = libraryFunction(callee);
      const names = body.locals.slice(0, body.parameterCount).map((local) => local.name);
      this.#texts.set(name, emitFunction(body, name, names, false, this));
    }
    return name;
  }

  /** Name of a captured list. */
  constant(own: string, values: readonly number[]): string {
    const text = `array<f32, ${values.length}>(${values.map(wgslNumber).join(", ")})`;
    for (const [name, known] of this.#texts) if (known.endsWith(` = ${text};`)) return name;
    const name = `${this.prefix}_list${this.#texts.size}_${own.replace(/[^A-Za-z0-9]/g, "")}`;
    this.#texts.set(name, `const ${name} = ${text};`);
    return name;
  }

  /** A function of `shaders/common/math.wgsl` under our own prefix, so that a shader may include both. */
  #math(mathName: string): string {
    const rename = (text: string): string => text.replaceAll("math_", `${this.prefix}_math_`);
    const name = rename(mathName);
    if (!this.#texts.has(name)) {
      const start = mathWgsl.indexOf(`fn ${mathName}(`);
      const end = mathWgsl.indexOf("\n}", start);
      if (start < 0 || end < 0) throw new Error(`shaders/common/math.wgsl has no ${mathName}`);
      const text = mathWgsl.slice(start, end + 2);
      for (const [called] of text.matchAll(/math_\w+/g)) if (called !== mathName) this.#math(called);
      this.#texts.set(name, rename(text));
    }
    return name;
  }
}
