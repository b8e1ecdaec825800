import type {} from "trusted-types";
import trainerUrl from "../worker/trainer.worker.ts?worker&url";
import languageUrl from "./language/language.worker.ts?worker&url";

/**
 * The page's one Trusted Types policy of its own. It makes worker URLs and nothing else: no HTML, no script
 * text, and no URL but those below.
 */
const OFFLINE = "./sw.js";
const allowed = new Set<string>([trainerUrl, languageUrl, OFFLINE]);

const policy = window.trustedTypes?.createPolicy("fulgurite", {
  createScriptURL(url: string): string {
    if (!allowed.has(url)) throw new TypeError(`Not one of our worker URLs: ${url}`);
    return url;
  },
});

/** Starts the trainer worker under `require-trusted-types-for 'script'`. */
export const startTrainerWorker = (): Worker => start(trainerUrl, "trainer");

/** Starts the worker that knows TypeScript. */
export const startLanguageWorker = (): Worker => start(languageUrl, "language");

/** Registers the service worker that keeps the page for later; a browser that refuses does without. */
export async function keepOffline(): Promise<void> {
  const url = (policy?.createScriptURL(OFFLINE) ?? OFFLINE) as string;
  await navigator.serviceWorker.register(url);
  const { active } = await navigator.serviceWorker.ready;
  active?.postMessage("opened");
}

function start(address: string, name: string): Worker {
  const url = (policy?.createScriptURL(address) ?? address) as string;
  return new Worker(url, { type: "module", name });
}
