import type { ArrayType, Local, ScalarType } from "./ir.ts";

/** What a name means inside the function: a local, or a declaration not reached yet. */
export type Binding = number | "later";

/** Locals of one function and the names by which its blocks know them. */
export class Scope {
  readonly locals: Local[] = [];
  /** Innermost block last. */
  readonly #blocks: Map<string, Binding>[] = [];

  enter(declaredLater: readonly string[]): void {
    this.#blocks.push(new Map(declaredLater.map((name) => [name, "later"])));
  }

  leave(): void {
    this.#blocks.pop();
  }

  /** Adds a local and binds `name` to it in the innermost block. */
  declare(name: string, type: ScalarType | ArrayType, mutable: boolean): number {
    const local = this.locals.length;
    this.locals.push({ name, type, mutable });
    this.#blocks.at(-1)?.set(name, local);
    return local;
  }

  lookup(name: string): Binding | undefined {
    for (let i = this.#blocks.length - 1; i >= 0; i--) {
      const binding = this.#blocks[i]!.get(name);
      if (binding !== undefined) return binding;
    }
    return undefined;
  }
}
