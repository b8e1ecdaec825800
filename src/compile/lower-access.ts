import type { Expression as ExpressionNode, Identifier, MemberExpression, Super } from "acorn";
import type { FulguriteError } from "../gpu/error.ts";
import { dottedName } from "./constructs.ts";
import { constantValue } from "./constant-value.ts";
import type { Expression } from "./ir.ts";
import type { Layout } from "./layout.ts";
import { type LowerContext, typeNames } from "./lower-context.ts";
import { mathConstants, mathFunctions } from "./math-functions.ts";
import type { ArrayBinding } from "./scope.ts";

/** Numbers that lie one after the other in an array. */
export interface List {
  readonly local: number;
  readonly offset: number;
  /** Infinity where the state is not known yet. */
  readonly length: number;
  readonly writable: boolean;
  /** As written, for messages. */
  readonly name: string;
  /** Of a list captured from outside. */
  readonly values: readonly number[] | null;
}

/** A place in an array: what reads it, and what stores to it. */
export interface Place {
  readonly local: number;
  readonly index: Expression;
  readonly offset: number;
  readonly length: number;
  readonly writable: boolean;
  readonly value: Expression;
}

type LowerIndex = (node: ExpressionNode) => Expression;

/** Fields of states, elements of lists, constants of `Math`. */
export class AccessLowering {
  readonly #context: LowerContext;
  readonly #lower: LowerIndex;

  constructor(context: LowerContext, lower: LowerIndex) {
    this.#context = context;
    this.#lower = lower;
  }

  /** The list that an expression names, or null. */
  list(node: ExpressionNode | Super): List | null {
    const { scope } = this.#context;
    if (node.type === "ParenthesizedExpression") return this.list(node.expression);
    if (node.type === "Identifier") {
      const binding = scope.lookup(node.name);
      if (binding?.kind === "array" && binding.shape.kind === "list") {
        const { offset, length } = binding.shape;
        const values = scope.locals[binding.local]!.constant ?? null;
        return { local: binding.local, offset, length, writable: binding.writable, name: node.name, values };
      }
      const values = binding ? undefined : this.#context.captured(node.name);
      if (!Array.isArray(values)) return null;
      const numbers = this.#numbers(values as unknown[], node);
      const local = this.#context.constantList(node.name, numbers);
      return { local, offset: 0, length: numbers.length, writable: false, name: node.name, values: numbers };
    }
    if (node.type !== "MemberExpression" || node.object.type !== "Identifier") return null;
    const state = scope.lookup(node.object.name);
    if (state?.kind !== "array" || state.shape.kind !== "state") return null;
    const name = fieldName(node);
    if (name === null) return null;
    const { layout } = state.shape;
    const { local, writable } = state;
    const written = `${node.object.name}.${name}`;
    if (!layout) return { local, offset: 0, length: Infinity, writable, name: written, values: null };
    const field = layout.fields.get(name);
    if (field?.length == null) return null;
    return { local, offset: field.offset, length: field.length, writable, name: written, values: null };
  }

  /** A field or an element; null where the expression is something else. */
  place(node: MemberExpression): Place | null {
    const { object, property, start: at } = node;
    const list = node.computed ? this.list(object) : null;
    if (list && list.length === Infinity) {
      this.#lower(property as ExpressionNode);
      return this.#at({ ...list, offset: 0 }, 0, at);
    }
    if (list) {
      const index = this.#lower(property as ExpressionNode);
      this.#context.expect(index, "f32", property, "an index is");
      const constant = constantValue(index);
      if (constant === null) {
        const { local, offset, length, writable } = list;
        const value: Expression = { kind: "item", type: "f32", local, index, offset, length, at };
        return { local, index, offset, length, writable, value };
      }
      if (!Number.isInteger(constant) || constant < 0 || constant >= list.length) {
        throw this.#context.source.error(
          "compile/unknown-field",
          property.start,
          `index ${constant} is outside \`${list.name}\`, which has ${list.length} numbers`,
          `Use a whole number from 0 to ${list.length - 1}.`,
        );
      }
      return this.#at(list, constant, at);
    }
    if (object.type !== "Identifier") return null;
    const state = this.#context.scope.lookup(object.name);
    if (state?.kind !== "array" || state.shape.kind !== "state") return null;
    const index = this.#field(node, object.name, state.shape.layout);
    const { local, writable } = state;
    return this.#at({ local, writable, offset: 0, values: null }, index, at);
  }

  member(node: MemberExpression): Expression {
    const { object, property, start: at } = node;
    const { scope } = this.#context;
    if (object.type === "Identifier" && object.name === "Math" && scope.lookup("Math") === undefined) {
      const name = node.computed || property.type !== "Identifier" ? null : property.name;
      const value = name === null ? undefined : mathConstants.get(name);
      if (value !== undefined) return { kind: "number", type: "f32", value, at };
      if (name !== null && mathFunctions.has(name)) {
        throw this.#context.type(
          at,
          `\`Math.${name}\` is used without calling it`,
          `Write \`Math.${name}(...)\`.`,
        );
      }
      throw this.#context.unsupported(
        node,
        `\`Math.${name ?? "[...]"}\``,
        "Use a function or constant of Math.",
      );
    }
    if (!node.computed && property.type === "Identifier" && property.name === "length") {
      const list = this.list(object);
      if (list && list.length < Infinity) return { kind: "number", type: "f32", value: list.length, at };
    }
    const place = this.place(node);
    if (place) return place.value;
    if (object.type !== "Identifier") {
      throw this.#context.unsupported(
        node,
        "property access",
        "Only states have fields, and only lists elements.",
      );
    }
    const binding = scope.lookup(object.name);
    const text = dottedName(node) ?? `${object.name}[...]`;
    if (binding === undefined && this.#context.captured(object.name) === undefined) {
      throw this.#context.unbound(at, text);
    }
    if (binding?.kind === "scalar") {
      const type = scope.locals[binding.local]!.type as "f32" | "bool";
      throw this.#context.type(
        at,
        `\`${object.name}\` is ${typeNames[type]} and has no fields`,
        "Use it as it is.",
      );
    }
    if (binding?.kind === "random") {
      throw this.#context.type(
        at,
        `\`${object.name}\` gives random numbers and has no fields`,
        "The order is `reset(random, s)` and `step(s, a, random)`.",
      );
    }
    throw this.#context.unsupported(
      node,
      `property access \`${text}\``,
      binding
        ? "Only states have fields."
        : "Put the number into a constant of its own, or the numbers into a plain list, and use that.",
    );
  }

  /** The error for an array where a number is wanted. */
  notANumber(name: string, { shape }: ArrayBinding, at: number): FulguriteError {
    return shape.kind === "list"
      ? this.#context.type(
          at,
          `\`${name}\` is a list, not a number`,
          `Read one of its elements: \`${name}[0]\`.`,
        )
      : this.#context.type(
          at,
          `\`${name}\` is a state, not a number`,
          `Read one of its fields: ${fieldList(name, shape.layout)}.`,
        );
  }

  #at(array: Omit<List, "length" | "name">, index: number, at: number): Place {
    const { local, offset, writable } = array;
    const value: Expression = array.values
      ? { kind: "number", type: "f32", value: array.values[index]!, at }
      : { kind: "element", type: "f32", local, index: offset + index, at };
    const zero: Expression = { kind: "number", type: "f32", value: 0, at };
    return { local, index: zero, offset: offset + index, length: 1, writable, value };
  }

  /** Index of a plain field in the state. */
  #field(node: MemberExpression, object: string, layout: Layout | null): number {
    const { property } = node;
    const unknown = (what: string): FulguriteError =>
      this.#context.source.error(
        "compile/unknown-field",
        property.start,
        `${what} is not a field of the state`,
        `The state has ${fieldList(object, layout)}.`,
      );
    const name = fieldName(node);
    if (name === null) {
      if (property.type === "PrivateIdentifier") {
        throw this.#context.unsupported(node, "private field", "Only states have fields.");
      }
      const index = constantValue(this.#lower(property));
      if (index === null) {
        throw this.#context.unsupported(
          property,
          "index that is not a constant",
          "Use the field's name or its number.",
        );
      }
      const length = layout?.size ?? Infinity;
      if (!Number.isInteger(index) || index < 0 || index >= length) throw unknown(`index ${index}`);
      return index;
    }
    if (!layout) return 0;
    const field = layout.fields.get(name);
    if (!field) throw unknown(`\`${name}\``);
    if (field.length !== null) {
      throw this.#context.type(
        node.start,
        `\`${object}.${name}\` is a list, not a number`,
        `Read one of its elements: \`${object}.${name}[0]\`.`,
      );
    }
    return field.offset;
  }

  #numbers(values: readonly unknown[], node: Identifier): readonly number[] {
    const numbers = values.filter(
      (value): value is number => typeof value === "number" && Number.isFinite(value),
    );
    if (numbers.length === values.length && numbers.length > 0 && numbers.length <= 4096) return numbers;
    throw this.#context.type(
      node.start,
      `\`${node.name}\` is captured from outside and is not a list of 1 to 4096 numbers`,
      "Capture numbers and lists of numbers only.",
    );
  }
}

/** The field's name, where the expression gives one. */
function fieldName({ computed, property }: MemberExpression): string | null {
  if (!computed) return property.type === "Identifier" ? property.name : null;
  return property.type === "Literal" && typeof property.value === "string" ? property.value : null;
}

const fieldList = (object: string, layout: Layout | null): string =>
  [...(layout?.fields ?? new Map([["x", { length: null }]]))]
    .slice(0, 12)
    .map(([field, { length }]) => `\`${object}.${field}${length === null ? "" : "[...]"}\``)
    .join(", ");
