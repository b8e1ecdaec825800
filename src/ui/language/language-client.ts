import * as Comlink from "comlink";
import address from "virtual:fulgurite-declarations";
import { startLanguageWorker } from "../trusted-types.ts";
import type { CellChanges, LanguageApi, LanguageCell } from "./language-types.ts";

/** The page's end of the language worker: keeps its picture of the cells up to date before every question. */
export class LanguageClient {
  readonly #api: Comlink.Remote<LanguageApi>;
  readonly #sent = new Map<string, string>();

  constructor() {
    const worker = startLanguageWorker();
    worker.postMessage(new URL(address, document.baseURI).href);
    this.#api = Comlink.wrap<LanguageApi>(worker);
  }

  /** `cells` are all code cells as they are now, the text in an open editor included. */
  async ask<T>(cells: readonly LanguageCell[], question: (api: LanguageApi) => Promise<T>): Promise<T> {
    const changes = this.#changes(cells);
    if (changes.set.length > 0 || changes.removed.length > 0) void this.#api.update(changes);
    return question(this.#api);
  }

  #changes(cells: readonly LanguageCell[]): CellChanges {
    const ids = new Set(cells.map(({ id }) => id));
    const removed = [...this.#sent.keys()].filter((id) => !ids.has(id));
    for (const id of removed) this.#sent.delete(id);
    const set = cells.filter(({ id, source }) => this.#sent.get(id) !== source);
    for (const { id, source } of set) this.#sent.set(id, source);
    return { set: set.map(({ id, source }) => ({ id, source })), removed };
  }
}

let client: LanguageClient | null = null;

/** One for the page; its worker starts with the first text that is edited. */
export const languageClient = (): LanguageClient => (client ??= new LanguageClient());
