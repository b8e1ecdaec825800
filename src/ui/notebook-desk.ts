import { FulguriteError, type ErrorData } from "../gpu/error.ts";
import { consentsIn, type Consent } from "../notebook/consent.ts";
import type { Imported } from "../notebook/formats/compose.ts";
import type { ForeignNotebook } from "../notebook/permissions.ts";
import { createNotebookSession } from "../notebook/session.ts";
import type { OpenNotebook } from "../notebook/session-types.ts";
import type { Job } from "../train/job.ts";
import { Drafts } from "./drafts.ts";
import { forgetLeft, leaveText, textLeft } from "./left-text.ts";
import type { Library, NotebookEntry, Version } from "./library.ts";
import type { FulguriteNotebook } from "./notebook.ts";
import { freshId, nameFrom, OwnNotebooks } from "./own-notebooks.ts";
import type { RecordedRun } from "./recorded.ts";
import { SaveSoon } from "./save-soon.ts";
import { SharedEdits } from "./shared-edits.ts";
import { notebookServices } from "./services.ts";
import { loadPackage } from "./packages.ts";
import { unpackText } from "./share-link.ts";
import { isShipped, loadNotebook, loadRecorded, shelf } from "./shelf.ts";
import { asError, type TrainerClient } from "./trainer-client.ts";

/** A notebook that was opened; it stays open, kernel and runs included, while another one is shown. */
interface Opened {
  readonly id: string;
  /** The text as it came; null for one's own work. */
  readonly original: string | null;
  readonly outdated: boolean;
  readonly recorded: Promise<readonly RecordedRun[]>;
  session: OpenNotebook;
  /** The text as it is kept, by this tab or another. */
  kept: string;
  /** Keeps a text, soon. */
  keep(text: string): void;
  flush(): Promise<void>;
  /** Forgets what was kept, where there is an original to go back to. */
  reset(): Promise<string | null>;
}

const consents = ((): ReturnType<typeof consentsIn> | undefined => {
  try {
    return consentsIn(localStorage);
  } catch {
    return undefined;
  }
})();

const HEADING = /^#{1,6}[ \t]+(.+?)[ \t]*#*$/gm;

/** As other readers of Markdown make it of a heading's text. */
const anchor = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, "")
    .trim()
    .replace(/ /g, "-");

/** Opens notebooks by address, keeps what is edited, and is the library that the page's dialogs see. */
export class NotebookDesk implements Library {
  readonly #page: FulguriteNotebook;
  readonly #trainer: TrainerClient;
  readonly #own: OwnNotebooks;
  readonly #opened = new Map<string, Promise<Opened>>();
  readonly #shared = new SharedEdits((id, text) => void this.#take(id, text).catch(this.#report));
  /** By id of a notebook that was made of another format here. */
  readonly #notes = new Map<string, readonly string[]>();
  #current: Opened | null = null;
  #wanted = "";
  #shippedText: { readonly id: string; readonly text: Promise<string> } | null = null;

  constructor(page: FulguriteNotebook, trainer: TrainerClient) {
    this.#page = page;
    this.#trainer = trainer;
    this.#own = new OwnNotebooks(trainer);
  }

  /** A shipped text that is on its way already. */
  expect(id: string, text: Promise<string>): void {
    this.#shippedText = { id, text };
  }

  get current(): string {
    return this.#current?.id ?? "";
  }

  get original(): string | null {
    return this.#current?.original ?? null;
  }

  href(id: string): string {
    return `#notebook=${id}`;
  }

  readonly shipped = shelf.map(({ id, title }): NotebookEntry => ({
    id,
    title,
    kind: "shipped",
    updatedAt: null,
    origin: null,
  }));

  own(): Promise<readonly NotebookEntry[]> {
    return this.#own.list();
  }

  async create(text: string, origin: string | null, notes: readonly string[] = []): Promise<void> {
    const id = freshId();
    this.#notes.set(id, notes);
    await this.#own.save(id, text, origin, origin === null ? null : text);
    location.hash = `notebook=${id}`;
  }

  async openFile(file: File): Promise<void> {
    const { readNotebookFile } = await import("../notebook/formats/index.ts");
    const { text, notes } = readNotebookFile(file.name, await file.text());
    await this.create(text, file.name, notes);
  }

  async openAddress(url: string): Promise<void> {
    const { text, notes } = await this.#fetched(url);
    await this.create(text, url, notes);
  }

  async remove(id: string): Promise<void> {
    await this.#own.remove(id);
    const opened = await this.#opened.get(id);
    opened?.session.dispose();
    this.#opened.delete(id);
  }

  async consents(): Promise<readonly Consent[]> {
    return (await consents?.list()) ?? [];
  }

  async forget(key: string): Promise<void> {
    for (const opening of this.#opened.values()) {
      const { session } = await opening;
      if (session.permissions.key === key) await session.withdraw();
    }
    await consents?.remove(key);
  }

  versions(): Promise<Version[]> {
    return this.#own.versions(this.current);
  }

  /** Goes to the heading that a link in the text names, as "#what-counts"; false where the hash names a notebook. */
  goInside(hash: string): boolean {
    if (/^#?$|^#(?:code|src|notebook|mode)=/.test(hash) || !this.#current) return false;
    const wanted = anchor(new URLSearchParams(`heading=${hash.slice(1)}`).get("heading")!);
    const cell = this.#current.session.cells.find(
      ({ kind, source }) =>
        kind === "md" && [...source.matchAll(HEADING)].some(([, text]) => anchor(text!) === wanted),
    );
    if (cell) this.#page.goToCell(cell.id);
    return true;
  }

  /** Shows the notebook that a hash names: "#notebook=id", "#code=...", "#src=https://..."; "mode=app" without code. */
  async go(hash: string): Promise<void> {
    const asked = new URLSearchParams(hash.slice(1));
    const key = asked.get("code") ?? asked.get("src") ?? asked.get("notebook") ?? "";
    this.#page.appView = asked.get("mode") === "app";
    if (this.#wanted === key && this.#current) return;
    this.#wanted = key;
    this.#page.notice = null;
    let opening = this.#opened.get(key);
    const isNew = !opening;
    if (!opening) {
      opening = this.#open(asked);
      this.#opened.set(key, opening);
      opening.catch(() => this.#opened.delete(key));
    }
    const opened = await opening;
    if (this.#wanted !== key) return;
    scrollTo(0, 0);
    await this.#show(opened, isNew);
  }

  async reset(): Promise<void> {
    const opened = this.#current;
    const text = await opened?.reset();
    if (!opened || text === undefined || text === null) return;
    opened.session.apply({ kind: "replace", text });
    this.#page.edited = false;
    this.#page.outdated = false;
  }

  /** The page may end now: what is not kept yet is put aside, as no save may end any more. */
  leave(): void {
    const opened = this.#current;
    if (opened && opened.session.text !== opened.kept) leaveText(opened.id, opened.session.text);
    void this.flush();
  }

  async flush(): Promise<void> {
    for (const opening of this.#opened.values()) await (await opening).flush();
  }

  async #fetched(url: string): Promise<Imported> {
    const { status, body } = await this.#trainer.reach(url).catch((error: unknown) => {
      const known = asError(error);
      if (known.code !== "internal") throw known;
      throw new FulguriteError(
        "share/unreachable",
        `Nothing could be read from ${url}.`,
        "Check the address and the connection; its site must let other pages read its files (CORS). Or save the file and open it from here.",
      );
    });
    if (status !== 200) {
      throw new FulguriteError(
        "share/address",
        `${new URL(url).host} answered with ${status} and not with a notebook.`,
        "Check the address; it must lead to the file itself.",
      );
    }
    const { readNotebookFile } = await import("../notebook/formats/index.ts");
    const name = new URL(url).pathname.split("/").at(-1) ?? "";
    return readNotebookFile(name, new TextDecoder().decode(body));
  }

  async #open(asked: URLSearchParams): Promise<Opened> {
    const [code, src, id] = [asked.get("code"), asked.get("src"), asked.get("notebook")];
    if (code !== null) return this.#openForeign(await unpackText(code), "a link");
    if (src !== null) {
      const { text, notes } = await this.#fetched(src);
      return this.#openForeign(text, src, notes);
    }
    if (id !== null && !isShipped(id)) {
      const own = await this.#own.load(id);
      if (own) {
        const { origin, original, text } = own;
        const notes = this.#notes.get(id) ?? [];
        const foreign = origin === null ? null : { from: origin, original: original ?? text, notes };
        return this.#openOwn(id, own.text, foreign, own.original);
      }
      throw new FulguriteError(
        "page/no-notebook",
        `There is no notebook "${id}" in this browser.`,
        "Notebooks stay where they were written: ask for a link to it, or for its file. The title above leads to those that are here.",
      );
    }
    return this.#openShipped(id !== null && isShipped(id) ? id : shelf[0]!.id);
  }

  async #openShipped(id: string): Promise<Opened> {
    const shipped = await (this.#shippedText?.id === id ? this.#shippedText.text : loadNotebook(id));
    const drafts = new Drafts(this.#trainer, id, shipped, this.#unsaved(), (text) => {
      this.#saved(opened, text);
    });
    const draft = drafts.mayExist ? await drafts.load() : null;
    const opened: Opened = {
      id,
      original: shipped,
      outdated: draft?.outdated ?? false,
      recorded: loadRecorded(id),
      session: null as unknown as OpenNotebook,
      kept: draft?.text ?? shipped,
      keep: (text) => {
        drafts.keep(text);
      },
      flush: () => drafts.flush(),
      reset: async () => {
        await drafts.discard();
        return shipped;
      },
    };
    opened.session = this.#session(opened, draft?.text ?? shipped, null);
    return opened;
  }

  #openOwn(id: string, text: string, foreign: ForeignNotebook | null, original: string | null): Opened {
    const saver = new SaveSoon(async (changed) => {
      await this.#own.save(id, changed, foreign?.from ?? null, original);
      this.#saved(opened, changed);
    }, this.#unsaved());
    const opened: Opened = {
      id,
      original,
      outdated: false,
      recorded: Promise.resolve([]),
      session: null as unknown as OpenNotebook,
      kept: text,
      keep: (changed) => {
        saver.keep(changed);
      },
      flush: () => saver.flush(),
      reset: () => Promise.resolve(original),
    };
    opened.session = this.#session(opened, text, foreign);
    return opened;
  }

  /** From elsewhere: shown as its author wrote it; kept as a copy once the person edits it or lets it run. */
  #openForeign(text: string, from: string, notes: readonly string[] = []): Opened {
    const id = freshId();
    const opened = this.#openOwn(id, text, { from, notes }, text);
    let isKept = false;
    const adopt = (): void => {
      const { session } = opened;
      if (isKept || (session.permissions.state === "asking" && session.text === text)) return;
      isKept = true;
      opened.keep(session.text);
      this.#opened.set(id, Promise.resolve(opened));
      if (this.#current !== opened) return;
      this.#wanted = id;
      history.replaceState(null, "", this.href(id));
    };
    opened.session.addEventListener("change", adopt);
    return opened;
  }

  #session(opened: Opened, text: string, foreign: ForeignNotebook | null): OpenNotebook {
    const { id } = opened;
    const session = createNotebookSession({
      id,
      text: textLeft(id) ?? text,
      untitled: isShipped(id) ? id : nameFrom(foreign?.from ?? null),
      services: notebookServices(this.#trainer, id, loadPackage),
      ...(foreign === null ? {} : { foreign }),
      ...(consents ? { consents } : {}),
      // The kernel waits for the first paint.
      createKernel: async () => (await import("../notebook/sandbox.ts")).createSandboxedKernel(),
    });
    let known = session.text;
    if (known === opened.kept) forgetLeft(id);
    else opened.keep(known);
    session.addEventListener("change", () => {
      if (session.text === known) return;
      this.#own.remember(id, known).catch(this.#report);
      known = session.text;
      if (this.#current === opened) this.#page.edited = opened.original !== null && known !== opened.original;
      if (known !== opened.kept) opened.keep(known);
    });
    return session;
  }

  #saved(opened: Opened, text: string): void {
    opened.kept = text;
    forgetLeft(opened.id);
    this.#shared.tell(opened.id, text);
  }

  /** What another tab has saved takes the place of the text here, as an edit that can be undone; not of what is typed just now. */
  async #take(id: string, text: string): Promise<void> {
    const opened = await this.#opened.get(id);
    if (!opened || opened.session.text !== opened.kept) return;
    opened.kept = text;
    opened.session.apply({ kind: "replace", text });
  }

  async #show(opened: Opened, isNew: boolean): Promise<void> {
    const page = this.#page;
    const { id, session, original, outdated } = opened;
    this.#current = opened;
    page.recorded = [];
    page.session = session;
    page.edited = original !== null && session.text !== original;
    page.outdated = outdated && page.edited;
    document.title = `${session.title} · Fulgurite`;
    await page.updateComplete;
    opened.recorded.then((recorded) => {
      if (this.#current === opened) page.recorded = recorded;
    }, this.#report);
    if (!isNew) return;
    for (const run of await this.#trainer.runs({ notebook: id })) {
      if (run.cell !== null) session.markRan(run.cell, run.job as Job);
    }
    await session.ready;
    await session.runEager();
  }

  /** Shows what keeps a text from being saved, for as long as it does. */
  #unsaved(): (failure: FulguriteError | null) => void {
    let shown: ErrorData | null = null;
    return (failure) => {
      if (failure === null && this.#page.notice !== shown) return;
      shown = failure?.toData() ?? null;
      this.#page.notice = shown;
    };
  }

  readonly #report = (error: unknown): void => {
    const data: ErrorData = asError(error).toData();
    this.#page.notice = data;
  };
}
