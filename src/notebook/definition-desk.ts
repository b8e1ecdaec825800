import { isHostReference } from "../env/host-environment.ts";
import { asFulguriteError } from "../gpu/error.ts";
import type { Definition, GpuVerdict } from "../train/check-definition.ts";
import type { Output } from "./session-types.ts";

/** Outputs that show what a cell defined in numeric TypeScript. */
export type DefinedOutput = Extract<Output, { view: "environment" | "reward" | "loss" }>;

export interface DefinitionDeskOptions {
  /** Runs a definition on the GPU; undefined where nobody can. */
  readonly check: ((definition: Definition) => Promise<GpuVerdict>) | undefined;
  /** Whether the cell still shows the output. */
  readonly isShown: (cell: string, output: DefinedOutput) => boolean;
  readonly onVerdict: (cell: string, output: DefinedOutput, verdict: GpuVerdict) => void;
}

/**
 * Has what cells define run on the GPU and compared with the CPU, one after the other, and no cell waits for it. What is no
 * longer shown by then is left out.
 */
export class DefinitionDesk {
  readonly #options: DefinitionDeskOptions;
  #last: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(options: DefinitionDeskOptions) {
    this.#options = options;
  }

  /** Looks through what a cell shows. */
  take(cell: string, outputs: readonly Output[]): void {
    const { check, isShown, onVerdict } = this.#options;
    if (!check) return;
    for (const output of outputs) {
      if (output.view !== "environment" && output.view !== "reward" && output.view !== "loss") continue;
      const definition = definitionOf(output);
      if (!definition) continue;
      this.#last = this.#last.then(async () => {
        if (this.#disposed || !isShown(cell, output)) return;
        const verdict = await check(definition).catch((error: unknown): GpuVerdict => ({
          kind: "failed",
          error: asFulguriteError(error).toData(),
        }));
        if (!this.#disposed && isShown(cell, output)) onVerdict(cell, output, verdict);
      });
    }
  }

  /** Resolves when all that was taken so far is checked. */
  settled(): Promise<void> {
    return this.#last;
  }

  dispose(): void {
    this.#disposed = true;
  }
}

/** Null for an environment that ships with us, or that its own code steps. */
function definitionOf(output: DefinedOutput): Definition | null {
  if (output.view !== "environment") return output.definition;
  const { name } = output;
  return name.startsWith("{") && !isHostReference(name) ? { kind: "environment", environment: name } : null;
}
