import type { ArrayType, Local, ScalarType } from "./ir.ts";
import type { Layout } from "./layout.ts";

/** How a name reads an array: as a state with fields (any fields where the layout is null), or as a list. */
export type Shape =
  | { readonly kind: "state"; readonly layout: Layout | null }
  | { readonly kind: "list"; readonly offset: number; readonly length: number };

export interface ArrayBinding {
  readonly kind: "array";
  readonly local: number;
  readonly shape: Shape;
  readonly writable: boolean;
}

/** What a name means inside the function. */
export type Binding =
  /** `constant`: its value where the source says it outright; loops and indices may use it. */
  | { readonly kind: "scalar"; readonly local: number; readonly constant: number | null }
  | ArrayBinding
  /** A scene to paint on. */
  | { readonly kind: "paint"; readonly local: number }
  /** The source of random numbers. */
  | { readonly kind: "random" }
  /** A declaration not reached yet. */
  | { readonly kind: "later" };

/** Locals of one function and the names by which its blocks know them. */
export class Scope {
  readonly locals: Local[] = [];
  /** Innermost block last. */
  readonly #blocks: Map<string, Binding>[] = [];

  enter(declaredLater: readonly string[]): void {
    this.#blocks.push(new Map(declaredLater.map((name) => [name, { kind: "later" }])));
  }

  leave(): void {
    this.#blocks.pop();
  }

  /** A local that no name is bound to. */
  add(name: string, type: ScalarType | ArrayType, mutable: boolean, constant?: readonly number[]): number {
    this.locals.push(constant ? { name, type, mutable, constant } : { name, type, mutable });
    return this.locals.length - 1;
  }

  /** Gives a name a meaning in the innermost block. */
  bind(name: string, binding: Binding): void {
    this.#blocks.at(-1)?.set(name, binding);
  }

  lookup(name: string): Binding | undefined {
    for (let i = this.#blocks.length - 1; i >= 0; i--) {
      const binding = this.#blocks[i]!.get(name);
      if (binding !== undefined) return binding;
    }
    return undefined;
  }
}
