// The package has no declarations; these are of what the oracle uses.
declare module "@observablehq/runtime" {
  export interface Variable {
    define(name: string, inputs: readonly string[], definition: (...values: number[]) => unknown): this;
    delete(): this;
    readonly _promise: Promise<unknown>;
  }
  export class Runtime {
    constructor(builtins: object, global: (name: string) => unknown);
    module(): { variable(observer: object): Variable };
    readonly _computing: Promise<void> | null;
    dispose(): void;
  }
}
