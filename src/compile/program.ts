import type { IrFunction, ScalarType } from "./ir.ts";
import type { Layout } from "./layout.ts";
import { lower } from "./lower.ts";
import { Source } from "./source.ts";

/** What a function takes: a number, a truth value, random numbers, a scene, a state or a list by reference. */
export type Parameter =
  | ScalarType
  | "random"
  | "paint"
  | { readonly kind: "state"; readonly layout: Layout | null; readonly writable: boolean }
  | {
      readonly kind: "list";
      /** Length of the array in which the list lies. */
      readonly size: number;
      readonly offset: number;
      readonly length: number;
      readonly writable: boolean;
    };

/**
 * What a function gives: a number, a truth value; "state": fields for its first parameter, or nothing where it
 * wrote them itself; "list": numbers for a list that is added to its parameters; "any": whatever it returns.
 */
export type Result = ScalarType | "state" | "list" | "any";

/** Numbers and lists of numbers that sources captured, by name. */
export type Constants = Readonly<Record<string, number | readonly number[]>>;
/** Text of one function, without types, and the line of its cell on which it begins (default 1). */
export interface FunctionText {
  readonly source: string;
  readonly line?: number;
}
export type FunctionTexts = Readonly<Record<string, FunctionText>>;

export interface EntryOptions {
  readonly name: string;
  /** What its author calls it, for messages; default nothing. */
  readonly label?: string;
  readonly parameters: readonly Parameter[];
  /** The parameters in words, for messages. */
  readonly signature: string;
  readonly result: Result;
}

interface Instance {
  readonly lowered: IrFunction;
  /** Rounds of its innermost loops, all in all. */
  readonly rounds: number;
}

/** Functions that call each other, lowered together: entries by whoever compiles, helpers where they are called. */
export class Program {
  readonly constants: Constants;
  /** Functions of one f32 callable by bare name; the library's own sources use it. */
  readonly primitives: readonly string[];
  readonly functions = new Map<string, IrFunction>();
  readonly #texts: FunctionTexts;
  readonly #sources = new Map<string, Source>();
  readonly #instances = new Map<string, Instance | "in progress">();

  constructor(constants: Constants = {}, texts: FunctionTexts = {}, primitives: readonly string[] = []) {
    this.constants = constants;
    this.#texts = texts;
    this.primitives = primitives;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#texts, name);
  }

  /** Names of a function's parameters, where they have any. */
  parametersOf(name: string): readonly string[] {
    const { source, line = 1 } = this.#texts[name]!;
    return new Source(source, line, name).parse().params.map((pattern) => {
      const named = pattern.type === "AssignmentPattern" ? pattern.left : pattern;
      return named.type === "Identifier" ? named.name : "...";
    });
  }

  /** Lowers a function that is called from outside. */
  entry(
    text: FunctionText,
    options: EntryOptions,
  ): { readonly lowered: IrFunction; readonly source: Source } {
    const source = new Source(text.source, text.line ?? 1, options.label);
    return { ...lower(source, this, options), source };
  }

  /** The source that a lowered function came from; null for an entry. */
  sourceOf(key: string): Source | undefined {
    return this.#sources.get(key);
  }

  /** The function that a call of `name` with these arguments reaches; null where it is being lowered: recursion. */
  instance(name: string, parameters: readonly Parameter[]): (Instance & { readonly key: string }) | null {
    const text = this.#texts[name]!;
    const key = `${name}(${JSON.stringify(parameters, (_, value: unknown) =>
      value instanceof Map ? [...(value as Map<unknown, unknown>)] : value,
    )})`;
    const known = this.#instances.get(key);
    if (known === "in progress") return null;
    if (known) return { ...known, key: known.lowered.name };
    this.#instances.set(key, "in progress");
    const unique = `${name.replace(/[^A-Za-z0-9]/g, "")}_${this.#instances.size}`;
    const source = new Source(text.source, text.line ?? 1, name);
    const made = lower(source, this, {
      name: unique,
      parameters,
      signature: `${parameters.length} ${parameters.length === 1 ? "argument" : "arguments"}`,
      result: "any",
    });
    this.functions.set(unique, made.lowered);
    this.#sources.set(unique, source);
    this.#instances.set(key, made);
    return { ...made, key: unique };
  }
}
