import type { AnyNode, CallExpression, Expression as ExpressionNode, Literal } from "acorn";
import { dottedName } from "./constructs.ts";
import type { Argument, Call, Expression, IrFunction, Statement } from "./ir.ts";
import type { LowerContext } from "./lower-context.ts";
import { type ExpressionLowering, MAX_DEPTH, power } from "./lower-expression.ts";
import { MAX_HYPOT, type MathFunction, mathFunctions } from "./math-functions.ts";
import type { Parameter } from "./program.ts";
import { SCENE_SIZE, sceneRoles } from "./scene-list.ts";

const scene: Parameter = { kind: "list", size: SCENE_SIZE, offset: 0, length: SCENE_SIZE, writable: true };

/** Calls: `Math`, random numbers, the program's own functions. */
export class CallLowering {
  readonly #context: LowerContext;
  readonly #expressions: ExpressionLowering;

  constructor(context: LowerContext, expressions: ExpressionLowering) {
    this.#context = context;
    this.#expressions = expressions;
  }

  /** A call inside an expression: it may draw, but not write. */
  expression(node: CallExpression): Expression {
    const own = this.#own(node);
    if (!own) return this.#builtIn(node);
    const { call, lowered } = own;
    if (lowered.writes.size > 0) {
      throw this.#context.unsupported(
        node,
        `call to \`${nameOf(node)}\`, which changes what it is given, inside an expression`,
        "Give its result a name first: `const result = ...`.",
      );
    }
    if (!lowered.draws) return call;
    return this.#context.hoist(
      (local) => ({ kind: "declare", local, value: call }),
      call.type,
      "drawn",
      call.at,
    );
  }

  /** A call that is all of a statement's value. */
  value(node: CallExpression): Expression {
    this.#context.count(node);
    const own = this.#own(node);
    return own ? own.call : this.#builtIn(node);
  }

  effect(node: CallExpression): Statement {
    this.#context.count(node);
    const own = this.#own(node, true);
    if (own && own.lowered.writes.size > 0) return { kind: "run", call: own.call };
    if (!own) this.#builtIn(node);
    throw this.#context.unsupported(node, "expression without effect", "Remove it, or return its value.");
  }

  /** A call of one of the program's functions; null for any other. */
  #own(node: CallExpression, effect = false): { readonly call: Call; readonly lowered: IrFunction } | null {
    const { callee, start: at } = node;
    const context = this.#context;
    const parameters: Parameter[] = [];
    const values: Argument[] = [];
    const references = new Set<number>();
    let name: string;
    const paint = this.#paint(callee);
    if (paint) {
      name = paint.name;
      parameters.push(scene);
      values.push({ kind: "reference", local: paint.local });
    } else {
      if (callee.type !== "Identifier" || context.scope.lookup(callee.name) !== undefined) return null;
      ({ name } = callee);
      if (!context.program.has(name)) return null;
    }
    const wanted = context.program.parametersOf(name).slice(parameters.length);
    for (const argument of node.arguments) {
      if (argument.type === "SpreadElement") throw context.unsupported(argument);
      const isRole = paint && argument === node.arguments[wanted.length - 1];
      const [parameter, value] =
        isRole && argument.type === "Literal" ? this.#role(argument) : this.#argument(argument);
      parameters.push(parameter);
      if (!value) continue;
      values.push(value);
      if (value.kind !== "reference") continue;
      if (references.has(value.local)) {
        throw context.unsupported(argument, "the same state or list passed twice", "Pass it once.");
      }
      references.add(value.local);
    }
    if (node.arguments.length < wanted.length) {
      const count = `${wanted.length} ${wanted.length === 1 ? "argument" : "arguments"}`;
      throw context.type(
        at,
        `\`${nameOf(node)}\` takes ${count}, not ${node.arguments.length}`,
        `Write \`${nameOf(node)}(${wanted.join(", ")})\`.`,
      );
    }
    const instance = context.program.instance(name, parameters);
    if (!instance) {
      throw context.unsupported(node, `\`${name}\`, which calls itself,`, "Use a `for` loop.");
    }
    const { lowered, key, rounds } = instance;
    context.repeat(rounds, at);
    if (lowered.draws) context.draw(node, `call to \`${name}\`, which draws random numbers,`);
    for (const parameter of lowered.writes) {
      const reference = values[parameter];
      if (reference?.kind === "reference") context.writes.add(reference.local);
    }
    if (lowered.writes.size > 0 && context.conditional > 0) {
      throw context.unsupported(
        node,
        `call to \`${name}\`, which changes what it is given, here`,
        "Use `if`.",
      );
    }
    if (lowered.result === null && !effect) {
      throw context.type(at, `\`${name}\` gives no value`, "Call it as a statement of its own.");
    }
    return {
      call: { kind: "call", type: lowered.result ?? "f32", callee: key, arguments: values, at },
      lowered,
    };
  }

  /** The method of `paint` that a callee names; null for any other. */
  #paint(callee: CallExpression["callee"]): { readonly name: string; readonly local: number } | null {
    const context = this.#context;
    if (callee.type !== "MemberExpression" || callee.object.type !== "Identifier") return null;
    const binding = context.scope.lookup(callee.object.name);
    if (binding?.kind !== "paint") return null;
    const name = callee.property.type === "Identifier" ? `paint.${callee.property.name}` : "";
    if (context.program.has(name)) return { name, local: binding.local };
    throw context.unsupported(
      callee,
      `\`${dottedName(callee) ?? "paint[...]"}\``,
      "Use `line(x0, y0, x1, y1, width, role)`, `rect(x, y, width, height, role)` or `circle(x, y, radius, role)`.",
    );
  }

  /** A role by its name, as the number that the scene keeps. */
  #role(node: Literal): readonly [Parameter, Argument] {
    if (typeof node.value !== "string") return this.#argument(node) as readonly [Parameter, Argument];
    const value = sceneRoles.indexOf(node.value);
    if (value >= 0) return ["f32", { kind: "number", type: "f32", value, at: node.start }];
    throw this.#context.type(
      node.start,
      `"${node.value}" is no role`,
      `Use one of ${sceneRoles.map((role) => `"${role}"`).join(", ")}.`,
    );
  }

  /** What the function called sees of an argument; random numbers need no value. */
  #argument(node: ExpressionNode): readonly [Parameter, Argument | null] {
    const { scope } = this.#context;
    if (node.type === "Identifier") {
      const binding = scope.lookup(node.name);
      if (binding?.kind === "random") return ["random", null];
      if (binding?.kind === "paint") return ["paint", { kind: "reference", local: binding.local }];
      if (binding?.kind === "array" && binding.shape.kind === "state") {
        const { local, writable } = binding;
        const { layout } = binding.shape;
        return [
          { kind: "state", layout, writable },
          { kind: "reference", local },
        ];
      }
    }
    const list = this.#expressions.access.list(node);
    if (!list || list.length === Infinity) {
      const value = this.#expressions.expression(node);
      return [value.type, value];
    }
    const { local, offset, length, writable } = list;
    const { type } = scope.locals[local]!;
    const size = typeof type === "string" ? length : type.length;
    return [
      { kind: "list", size, offset, length, writable },
      { kind: "reference", local },
    ];
  }

  #builtIn(node: CallExpression): Expression {
    const { callee, start: at } = node;
    const context = this.#context;
    if (node.optional) throw context.unsupported(node, "optional call `?.()`", "Call it directly.");
    if (callee.type === "MemberExpression" && callee.object.type === "Identifier") {
      if (context.scope.lookup(callee.object.name)?.kind === "random")
        return this.#random(node, callee.property);
    }
    const name = dottedName(callee);
    const math =
      name?.startsWith("Math.") === true && context.scope.lookup("Math") === undefined
        ? mathFunctions.get(name.slice(5))
        : undefined;
    const primitive = name !== null && context.program.primitives.includes(name);
    if (name === null || (!math && !primitive)) throw context.unsupported(node);
    const numbers = this.#numbers(node, name);
    if (!math) return { kind: "call", type: "f32", callee: name, arguments: numbers, at };
    return this.#math(math, name, numbers, at);
  }

  #math(math: MathFunction, name: string, numbers: readonly Expression[], at: number): Expression {
    const arity = (least: number, most: number): void => {
      this.#arity(name, numbers, least, most, at);
    };
    switch (math.kind) {
      case "unary":
        arity(1, 1);
        if (math.operator === "floor" && numbers[0]!.kind === "binary" && numbers[0]!.operator === "/") {
          const { left, right } = numbers[0]!;
          return { kind: "call", type: "f32", callee: "floorDivide", arguments: [left, right], at };
        }
        return { kind: "unary", type: "f32", operator: math.operator, operand: numbers[0]!, at };
      case "fold":
        arity(1, Infinity);
        // Folding nests one level an argument.
        if (numbers.length > MAX_DEPTH) throw this.#context.source.tooDeep(at);
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

  /** `random.uniform(low = 0, high = 1)`, `random.normal(mean = 0, deviation = 1)`, `random.integer(count)`. */
  #random(node: CallExpression, property: AnyNode): Expression {
    const { start: at } = node;
    const context = this.#context;
    const method = property.type === "Identifier" ? property.name : "...";
    const name = nameOf(node);
    if (method !== "uniform" && method !== "normal" && method !== "integer") {
      throw context.unsupported(
        node,
        `\`${name}\``,
        "Use `uniform(low, high)`, `normal(mean, deviation)` or `integer(count)`.",
      );
    }
    context.draw(node, `\`${name}\``);
    const numbers = this.#numbers(node, name);
    const draw = (): Expression => context.hoist((local) => ({ kind: "draw", local }), "f32", "drawn", at);
    const calculate = (
      operator: "+" | "-" | "*" | "min",
      left: Expression,
      right: Expression,
    ): Expression => ({
      kind: "binary",
      type: "f32",
      operator,
      left,
      right,
      at,
    });
    const one: Expression = { kind: "number", type: "f32", value: 1, at };
    const [first, second] = numbers;
    if (method === "integer") {
      this.#arity(name, numbers, 1, 1, at);
      const scaled = calculate("*", draw(), first!);
      const whole: Expression = { kind: "unary", type: "f32", operator: "floor", operand: scaled, at };
      // u < 1, but u x count may round up to it.
      return calculate("min", whole, calculate("-", first!, one));
    }
    this.#arity(name, numbers, 0, 2, at);
    if (method === "uniform") {
      const u = draw();
      if (!first) return u;
      const low = first;
      if (!second) throw context.type(at, `\`${name}\` takes both ends`, "Write `uniform(low, high)`.");
      return calculate("+", low, calculate("*", calculate("-", second, low), u));
    }
    const noise: Expression = {
      kind: "call",
      type: "f32",
      callee: "normal",
      arguments: [draw(), draw()],
      at,
    };
    const scaled = second ? calculate("*", second, noise) : noise;
    return first ? calculate("+", first, scaled) : scaled;
  }

  #numbers(node: CallExpression, name: string): Expression[] {
    return node.arguments.map((argument) => {
      if (argument.type === "SpreadElement") throw this.#context.unsupported(argument);
      return this.#expressions.numeric(argument, name);
    });
  }

  #arity(name: string, numbers: readonly unknown[], least: number, most: number, at: number): void {
    if (numbers.length >= least && numbers.length <= most) return;
    const wanted = least === most ? `${least}` : most === Infinity ? "1 or more" : `${least} to ${most}`;
    throw this.#context.type(
      at,
      `\`${name}\` takes ${wanted} ${wanted === "1" ? "argument" : "arguments"}, not ${numbers.length}`,
      "Give it as many numbers as it takes.",
    );
  }
}

const nameOf = (node: CallExpression): string => dottedName(node.callee) ?? "...";
