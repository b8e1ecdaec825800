import { openStore } from "../store/open.ts";
import type { LightningStore } from "../store/records.ts";

/** The store that a command works on: a folder's, or one that goes with the process. What is wrong with it is told on standard error. */
export async function openCommandStore(folder: string | undefined): Promise<LightningStore> {
  if (folder === undefined) return openStore({ backend: "memory" });
  const store = await openStore({ folder });
  for (const { message, fix, code } of await store.problems()) console.error(`${message}\n${fix} [${code}]`);
  return store;
}
