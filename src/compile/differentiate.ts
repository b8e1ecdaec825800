import { derivativeOfCall } from "./derivative-rules.ts";
import type { Argument, Call, Expression, IrFunction, Local, Statement } from "./ir.ts";
import { build } from "./ir-builder.ts";

/**
 * Forward-mode differentiation (Griewank and Walther 2008, chapter 3) on the intermediate form: of f(x ...), the
 * function f'(x ..., dx ...) that gives the directional derivative. Every number and every list has a tangent
 * beside it, conditions and loop counters have none. Derivatives of the functions called are added to `functions`
 * under their key with "_d". At a kink the derivative is that of the left operand.
 */
export function differentiate(source: IrFunction, functions: Map<string, IrFunction>): IrFunction {
  return new Differentiation(source, functions).run();
}

/** A value computed before, and its tangent; null: zero. */
interface Dual {
  readonly value: Expression;
  readonly tangent: Expression | null;
}

class Differentiation {
  readonly #source: IrFunction;
  readonly #functions: Map<string, IrFunction>;
  readonly #locals: Local[];
  /** New number of every old local, and the local of its tangent. */
  readonly #moved: number[] = [];
  readonly #tangents: (number | null)[] = [];
  #out: Statement[] = [];

  constructor(source: IrFunction, functions: Map<string, IrFunction>) {
    this.#source = source;
    this.#functions = functions;
    const { locals, parameterCount } = source;
    const hasTangent = ({ type, constant }: Local): boolean => type !== "bool" && !constant;
    const counters = new Set<number>();
    const findCounters = (body: readonly Statement[]): void => {
      for (const node of body) {
        if (node.kind === "loop") {
          counters.add(node.local);
          findCounters(node.body);
        } else if (node.kind === "if") {
          findCounters(node.then);
          findCounters(node.otherwise);
        }
      }
    };
    findCounters(source.body);
    // Parameters, their tangents, then all else.
    this.#locals = locals.slice(0, parameterCount);
    locals.forEach((local, i) => {
      if (i < parameterCount) this.#moved.push(i);
    });
    const add = (local: Local): number => this.#locals.push(local) - 1;
    locals.slice(0, parameterCount).forEach((local) => {
      this.#tangents.push(hasTangent(local) ? add({ ...local, name: `d_${local.name}` }) : null);
    });
    locals.slice(parameterCount).forEach((local, i) => {
      this.#moved.push(add(local));
      const own = hasTangent(local) && !counters.has(parameterCount + i);
      this.#tangents.push(own ? add({ ...local, name: `d_${local.name}`, mutable: true }) : null);
    });
  }

  run(): IrFunction {
    const { name, result, parameterCount, writes } = this.#source;
    const body = this.#statements(this.#source.body);
    const tangents = this.#tangents.slice(0, parameterCount);
    return {
      name: `${name}_d`,
      locals: this.#locals,
      parameterCount: parameterCount + tangents.filter((local) => local !== null).length,
      result,
      body,
      draws: false,
      writes: new Set([...writes].flatMap((local) => [local, this.#tangents[local]!])),
      functions: this.#functions,
    };
  }

  #statements(nodes: readonly Statement[]): Statement[] {
    const before = this.#out;
    this.#out = [];
    for (const node of nodes) this.#statement(node);
    const body = this.#out;
    this.#out = before;
    return body;
  }

  #statement(node: Statement): void {
    switch (node.kind) {
      case "declare":
      case "assign": {
        const local = this.#moved[node.local]!;
        const tangent = this.#tangents[node.local] ?? null;
        if (tangent === null) {
          this.#out.push({ ...node, local, value: this.#primal(node.value) });
          return;
        }
        const dual = this.#dual(node.value);
        this.#out.push({ kind: node.kind, local, value: dual.value });
        this.#out.push({ kind: node.kind, local: tangent, value: dual.tangent ?? build.number(0) });
        return;
      }
      case "array": {
        const duals = node.values.map((value) => this.#dual(value));
        this.#out.push({ ...node, local: this.#moved[node.local]!, values: duals.map(({ value }) => value) });
        const values = duals.map((dual) => dual.tangent ?? build.number(0));
        this.#out.push({ kind: "array", local: this.#tangents[node.local]!, values });
        return;
      }
      case "store": {
        const index = this.#name(this.#primal(node.index));
        const { value, tangent } = this.#dual(node.value);
        this.#out.push({ ...node, local: this.#moved[node.local]!, index, value });
        const target = this.#tangents[node.local]!;
        this.#out.push({ ...node, local: target, index, value: tangent ?? build.number(0) });
        return;
      }
      case "run":
        this.#out.push({ kind: "run", call: this.#derivativeCall(node.call) });
        return;
      case "if":
        this.#out.push({
          kind: "if",
          condition: this.#primal(node.condition),
          then: this.#statements(node.then),
          otherwise: this.#statements(node.otherwise),
        });
        return;
      case "loop":
        this.#out.push({
          kind: "loop",
          local: this.#moved[node.local]!,
          start: this.#primal(node.start),
          condition: this.#primal(node.condition),
          update: this.#primal(node.update),
          body: this.#statements(node.body),
        });
        return;
      case "return": {
        const value = node.value && this.#source.result === "f32" ? this.#dual(node.value).tangent : null;
        const none = this.#source.result === null ? null : build.number(0);
        this.#out.push({ kind: "return", value: value ?? none });
        return;
      }
      case "break":
      case "continue":
      case "draw":
        this.#out.push(node);
    }
  }

  /** The same expression over the moved locals. */
  #primal(node: Expression): Expression {
    switch (node.kind) {
      case "local":
      case "element":
        return { ...node, local: this.#moved[node.local]! };
      case "item":
        return { ...node, local: this.#moved[node.local]!, index: this.#primal(node.index) };
      case "unary":
        return { ...node, operand: this.#primal(node.operand) };
      case "binary":
        return { ...node, left: this.#primal(node.left), right: this.#primal(node.right) };
      case "select": {
        const condition = this.#primal(node.condition);
        return { ...node, condition, then: this.#primal(node.then), otherwise: this.#primal(node.otherwise) };
      }
      case "call":
        return { ...node, arguments: node.arguments.map((argument) => this.#argument(argument)) };
      default:
        return node;
    }
  }

  #argument(argument: Argument): Argument {
    return argument.kind === "reference"
      ? { kind: "reference", local: this.#moved[argument.local]! }
      : this.#primal(argument);
  }

  /** Gives a value a name, so that derivatives may use it often. */
  #name(value: Expression): Expression {
    if (value.kind === "number" || value.kind === "local" || value.kind === "element") return value;
    const local = this.#locals.push({ name: "v", type: value.type, mutable: false }) - 1;
    this.#out.push({ kind: "declare", local, value });
    return { kind: "local", type: value.type, local, at: value.at };
  }

  #dual(node: Expression): Dual {
    const { value, tangent } = this.#compute(node);
    return { value: this.#name(value), tangent: tangent && this.#name(tangent) };
  }

  #compute(node: Expression): Dual {
    switch (node.kind) {
      case "local": {
        const tangent = this.#tangents[node.local] ?? null;
        return {
          value: this.#primal(node),
          tangent: tangent === null ? null : { kind: "local", type: "f32", local: tangent, at: node.at },
        };
      }
      case "element": {
        const tangent = this.#tangents[node.local] ?? null;
        return { value: this.#primal(node), tangent: tangent === null ? null : { ...node, local: tangent } };
      }
      case "item": {
        const index = this.#name(this.#primal(node.index));
        const tangent = this.#tangents[node.local] ?? null;
        return {
          value: { ...node, local: this.#moved[node.local]!, index },
          tangent: tangent === null ? null : { ...node, local: tangent, index },
        };
      }
      case "unary": {
        const operand = this.#dual(node.operand);
        const value = this.#name({ ...node, operand: operand.value });
        return {
          value,
          tangent: operand.tangent && unary(node.operator, operand.value, value, operand.tangent),
        };
      }
      case "binary": {
        const left = this.#dual(node.left);
        const right = this.#dual(node.right);
        const value = this.#name({ ...node, left: left.value, right: right.value });
        return { value, tangent: binary(node.operator, left, right, value) };
      }
      case "select": {
        const condition = this.#primal(node.condition);
        const then = this.#dual(node.then);
        const otherwise = this.#dual(node.otherwise);
        const value: Expression = { ...node, condition, then: then.value, otherwise: otherwise.value };
        if (!then.tangent && !otherwise.tangent) return { value, tangent: null };
        const zero = build.number(0);
        return { value, tangent: build.select(condition, then.tangent ?? zero, otherwise.tangent ?? zero) };
      }
      case "call": {
        if (this.#source.functions.has(node.callee)) {
          return { value: this.#primal(node), tangent: this.#derivativeCall(node) };
        }
        const duals = node.arguments.map((argument) => this.#dual(argument as Expression));
        const value = this.#name({ ...node, arguments: duals.map((dual) => dual.value) });
        const values = duals.map((dual) => dual.value);
        const tangents = duals.map((dual) => dual.tangent);
        const none = tangents.every((tangent) => tangent === null);
        return { value, tangent: none ? null : derivativeOfCall(node.callee, values, tangents, value) };
      }
      default:
        return { value: node, tangent: null };
    }
  }

  /** The call of a function's derivative: its arguments, then their tangents. */
  #derivativeCall(node: Call): Call {
    const target = this.#source.functions.get(node.callee)!;
    const key = `${node.callee}_d`;
    if (!this.#functions.has(key)) this.#functions.set(key, differentiate(target, this.#functions));
    const values: Argument[] = [];
    const tangents: Argument[] = [];
    node.arguments.forEach((argument) => {
      if (argument.kind === "reference") {
        values.push(this.#argument(argument));
        const { constant, type } = this.#source.locals[argument.local]!;
        const tangent = this.#tangents[argument.local] ?? null;
        if (tangent !== null) tangents.push({ kind: "reference", local: tangent });
        else if (constant && typeof type !== "string") {
          tangents.push({ kind: "reference", local: this.#zeros(type.length) });
        }
      } else if (argument.type === "bool") values.push(this.#primal(argument));
      else {
        const dual = this.#dual(argument);
        values.push(dual.value);
        tangents.push(dual.tangent ?? build.number(0));
      }
    });
    return { ...node, callee: key, arguments: [...values, ...tangents] };
  }

  /** A list of zeros: the tangent of what is constant. */
  #zeros(length: number): number {
    const constant = Array.from({ length }, () => 0);
    return (
      this.#locals.push({ name: "zeros", type: { kind: "array", length }, mutable: false, constant }) - 1
    );
  }
}

function unary(operator: string, x: Expression, value: Expression, tangent: Expression): Expression | null {
  switch (operator) {
    case "negate":
      return build.negate(tangent);
    case "abs":
      return build.times(build.unary("sign", x), tangent);
    case "sqrt":
      return build.divide(build.times(build.number(0.5), tangent), build.max(value, build.number(1e-18)));
    default:
      return null;
  }
}

function binary(operator: string, left: Dual, right: Dual, value: Expression): Expression | null {
  const { value: a, tangent: da } = left;
  const { value: b, tangent: db } = right;
  if (!da && !db) return null;
  const zero = build.number(0);
  switch (operator) {
    case "+":
      return da && db ? build.plus(da, db) : (da ?? db);
    case "-":
      return da && db ? build.minus(da, db) : (da ?? build.negate(db!));
    case "*": {
      const first = da && build.times(da, b);
      const second = db && build.times(a, db);
      return first && second ? build.plus(first, second) : (first ?? second);
    }
    case "/": {
      const above = db ? build.minus(da ?? zero, build.times(value, db)) : da!;
      return build.divide(above, b);
    }
    case "min":
      return build.select(build.compare("<=", a, b), da ?? zero, db ?? zero);
    case "max":
      return build.select(build.compare(">=", a, b), da ?? zero, db ?? zero);
    default:
      return null;
  }
}
