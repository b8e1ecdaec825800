import type { AnyNode, ArrayExpression, Expression as ExpressionNode, ObjectExpression } from "acorn";
import type { Expression, ScalarType, Statement } from "./ir.ts";
import type { List } from "./lower-access.ts";
import { bare, type LowerContext } from "./lower-context.ts";
import { type ExpressionLowering, MAX_LIST } from "./lower-expression.ts";
import type { Result } from "./program.ts";

const NO_CHOICE = "Use `if` and `else`, each with a `return` of its own.";

/** `return`, by what the function is for: numbers, truth values, fields of a state, lists. */
export class ReturnLowering {
  readonly #context: LowerContext;
  readonly #expressions: ExpressionLowering;
  readonly #result: Result;
  /** Type of the returns so far. */
  #type: ScalarType | "nothing" | null = null;
  #listLength: number | null = null;

  constructor(context: LowerContext, expressions: ExpressionLowering, result: Result) {
    this.#context = context;
    this.#expressions = expressions;
    this.#result = result;
  }

  /** The function's result type, once its body is lowered. */
  finish(body: Statement[]): ScalarType | null {
    if (this.#result === "f32" || this.#result === "bool") return this.#result;
    if (this.#result !== "any" || this.#type === "nothing" || this.#type === null) {
      // The back ends want an end on every path.
      if (this.#result !== "list") body.push({ kind: "return", value: null });
      return null;
    }
    return this.#type;
  }

  lower(node: ExpressionNode | null, at: AnyNode): Statement[] {
    const context = this.#context;
    if (this.#result === "list") return this.#list(node, at);
    const value = node && bare(node);
    if (this.#result === "state") {
      if (!value) return [{ kind: "return", value: null }];
      if (value.type === "ObjectExpression") return this.#fields(value);
      if (value.type === "Identifier" && this.#isState(value)) return [{ kind: "return", value: null }];
      throw context.type(
        value.start,
        "the function gives a state, and this is none",
        value.type === "ConditionalExpression"
          ? NO_CHOICE
          : "Return its fields, `({ x: 1, speed: 0 })`, or write them: `s.x = 1`.",
      );
    }
    if (!value) {
      if (this.#result !== "any")
        throw context.type(at.start, "`return` without a value", "Return a number.");
      this.#is("nothing", at);
      return [{ kind: "return", value: null }];
    }
    const result = this.#expressions.value(value);
    if (this.#result === "any") this.#is(result.type, at);
    else context.expect(result, this.#result, value, "the function returns");
    return [...this.#drawn(), { kind: "return", value: result }];
  }

  #is(type: ScalarType | "nothing", at: AnyNode): void {
    if (this.#type !== null && this.#type !== type) {
      throw this.#context.type(
        at.start,
        "the function returns now one kind of value, now another",
        "Return numbers everywhere, or true and false, or nothing.",
      );
    }
    this.#type = type;
  }

  #isState(node: ExpressionNode): boolean {
    const binding = node.type === "Identifier" ? this.#context.scope.lookup(node.name) : undefined;
    return binding?.kind === "array" && binding.shape.kind === "state" && binding.writable;
  }

  /** `{ x: ..., speed: ... }`: all values first, then the stores, since values may read what is stored. */
  #fields(node: ObjectExpression): Statement[] {
    const context = this.#context;
    const { local, layout: state } = context.state!;
    const stores: Statement[] = [];
    const values: Statement[] = [];
    for (const property of node.properties) {
      if (property.type === "SpreadElement") {
        if (this.#isState(property.argument)) {
          if (stores.length === 0) continue;
          throw context.unsupported(
            property,
            "spread `...` of the state behind a field",
            "Write it first, since it takes back what stands before: `{ ...s, x: 1 }`.",
          );
        }
        throw context.unsupported(
          property,
          "spread `...` of what is not the state",
          "Write the fields one by one.",
        );
      }
      const { key, value } = property;
      const name =
        key.type === "Identifier" && !property.computed
          ? key.name
          : key.type === "Literal"
            ? String(key.value)
            : null;
      if (name === null || property.kind !== "init" || property.method) throw context.unsupported(property);
      const field = state.fields.get(name);
      if (!field) {
        throw context.source.error(
          "compile/unknown-field",
          key.start,
          `\`${name}\` is not a field of the state`,
          `The state has ${[...state.fields.keys()]
            .slice(0, 12)
            .map((known) => `\`${known}\``)
            .join(", ")}.`,
        );
      }
      if (field.length !== null) {
        const list = this.#newList(name, value, values) ?? this.#expressions.access.list(value);
        if (list && list.local === local && list.offset === field.offset) continue;
        const other = list && list.length !== field.length;
        if (!list || other || list.local === local) {
          throw context.type(
            value.start,
            `\`${name}\` is a list of ${field.length} numbers${other ? `, and this of ${list.length}` : ""}`,
            `Write into it: \`s.${name}[i] = ...\`, or give a list of your own with as many numbers.`,
          );
        }
        stores.push(this.#copy(list, local, field.offset, value.start));
        continue;
      }
      const number = this.#expressions.numeric(value, `${name}:`);
      const temporary = context.scope.add(name, "f32", false);
      const at = value.start;
      values.push(...this.#drawn(), { kind: "declare", local: temporary, value: number });
      const stored: Expression = { kind: "local", type: "f32", local: temporary, at };
      stores.push(store(local, field.offset, stored, at));
    }
    return [...values, ...stores, { kind: "return", value: null }];
  }

  /** A list that is written where it is given, made before; null for any other value. */
  #newList(name: string, node: ExpressionNode, before: Statement[]): List | null {
    const numbers = this.#expressions.elements(bare(node));
    if (!numbers) return null;
    const { length } = numbers;
    const local = this.#context.scope.add(name, { kind: "array", length }, true);
    before.push(...this.#drawn(), { kind: "array", local, values: numbers });
    return { local, offset: 0, length, writable: true, name, values: null };
  }

  /** `[s.x, ...s.board]`, or a list's name. */
  #list(node: ExpressionNode | null, at: AnyNode): Statement[] {
    const context = this.#context;
    const out = context.parameterCount;
    const value = node && bare(node);
    const list = value && this.#expressions.access.list(value);
    const parts: Statement[] = [];
    let length = 0;
    if (list) {
      parts.push(this.#copy(list, out, 0, at.start));
      ({ length } = list);
    } else if (value?.type === "ArrayExpression") {
      length = this.#elements(value, out, parts);
    } else {
      throw context.type(
        at.start,
        "the function gives a list of numbers, and this is none",
        value?.type === "ConditionalExpression" ? NO_CHOICE : "Return `[s.x, s.speed]`.",
      );
    }
    if (length === 0 || length > MAX_LIST || (this.#listLength !== null && this.#listLength !== length)) {
      throw context.type(
        at.start,
        this.#listLength === null || this.#listLength === length
          ? `a list has 1 to ${MAX_LIST} numbers, not ${length}`
          : `the function returns ${this.#listLength} numbers, and here ${length}`,
        "Return equally many everywhere.",
      );
    }
    this.#listLength = length;
    const { name, mutable } = context.scope.locals[out]!;
    context.scope.locals[out] = { name, mutable, type: { kind: "array", length } };
    return [...parts, { kind: "return", value: null }];
  }

  #elements(node: ArrayExpression, out: number, parts: Statement[]): number {
    const context = this.#context;
    let length = 0;
    for (const element of node.elements) {
      if (!element) throw context.unsupported(node, "list with holes", "Give every element.");
      if (element.type === "SpreadElement") {
        const list = this.#expressions.access.list(element.argument);
        if (!list)
          throw context.unsupported(
            element,
            "spread `...` of what is not a list",
            "Write the numbers one by one.",
          );
        parts.push(this.#copy(list, out, length, element.start));
        length += list.length;
        continue;
      }
      const number = this.#expressions.numeric(element, "[...]");
      parts.push(...this.#drawn(), store(out, length, number, element.start));
      length++;
    }
    return length;
  }

  #drawn(): Statement[] {
    const { pending } = this.#context;
    this.#context.pending = [];
    return pending;
  }

  /** Copies a list to the elements from `offset` on. */
  #copy(list: List, to: number, offset: number, at: number): Statement {
    const { length } = list;
    const i = this.#context.scope.add("i", "f32", false);
    const number = (value: number): Expression => ({ kind: "number", type: "f32", value, at });
    const index: Expression = { kind: "local", type: "f32", local: i, at };
    const value: Expression = {
      kind: "item",
      type: "f32",
      local: list.local,
      index,
      offset: list.offset,
      length,
      at,
    };
    return {
      kind: "loop",
      local: i,
      start: number(0),
      condition: { kind: "binary", type: "bool", operator: "<", left: index, right: number(length), at },
      update: { kind: "binary", type: "f32", operator: "+", left: index, right: number(1), at },
      body: [{ kind: "store", local: to, index, offset, length, value }],
    };
  }
}

const store = (local: number, offset: number, value: Expression, at: number): Statement => ({
  kind: "store",
  local,
  index: { kind: "number", type: "f32", value: 0, at },
  offset,
  length: 1,
  value,
});
