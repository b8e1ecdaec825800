import { openStore } from "../store/open.ts";
import type { LightningStore } from "../store/records.ts";
import { complete, type Completion } from "./complete.ts";
import { completionRequestOf, type CompletionOptions } from "./completion-request.ts";
import { engines } from "./create-engine.ts";

/**
 * Asks a language policy, in this process: one as it begins, or, with the `store` that its run was kept in, a trained
 * one. Inside a notebook the page's trainer is asked. Rejects as `complete` of the trainer does.
 */
export async function ask(
  options: CompletionOptions & { readonly store?: LightningStore },
): Promise<readonly Completion[]> {
  const request = completionRequestOf(options);
  const store = options.store ?? (await openStore({ backend: "memory" }));
  try {
    return await complete(request, { store, ...engines });
  } finally {
    if (!options.store) store.close();
  }
}
