import type { StoreSource } from "./store-source.ts";

/** The hash under which the store page opens. */
export const isStore = (hash: string): boolean => hash === "#store";

/** Opens the store page over the page, loading it first; closing it goes back to the hash `back`. */
export async function showStore(source: StoreSource, back: string): Promise<void> {
  await import("./store-page.ts");
  if (document.querySelector("fulgurite-store")) return;
  const store = document.createElement("fulgurite-store");
  store.source = source;
  store.back += back;
  document.body.append(store);
}
