import * as Comlink from "comlink";
import type { StoreWorker } from "./store-worker.ts";

/** The page of the store benches: it only lends them its worker, where stores live in the app too. */
Object.assign(globalThis, {
  store: Comlink.wrap<StoreWorker>(new Worker(new URL("worker.js", location.href), { type: "module" })),
});
