import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { CellView, NotebookSession } from "../notebook/session-types.ts";
import { FulguriteError, type ErrorData } from "../gpu/error.ts";
import type { Run } from "../store/records.ts";
import "./cell.ts";
import type { CellActionEvent, CellEditEvent, FulguriteCell } from "./cell.ts";
import { stateWords } from "./cell-words.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import "./footer.ts";
import "./header.ts";
import type { ShelfEntry } from "./header.ts";
import "./keyboard-sheet.ts";
import type { RecordedRun } from "./recorded.ts";
import type { RunStatusEvent } from "./run.ts";
import { base } from "./tokens.css.ts";
import { asError, type TrainerClient } from "./trainer-client.ts";
import { turn } from "./turn.ts";

/** Scrolled this far, the notebook's own heading is out of sight. */
const HEADING_HEIGHT_PX = 96;

/**
 * `<fulgurite-notebook>`: a whole notebook. Owns command mode (which cell is active, the keys) and asks the
 * session for everything else. Dispatches "fulgurite-reset" when the person wants the shipped text back.
 */
export class FulguriteNotebook extends LitElement {
  static override properties = {
    session: { attribute: false },
    trainer: { attribute: false },
    edited: { type: Boolean },
    outdated: { type: Boolean },
    notice: { attribute: false },
    active: { state: true },
    recorded: { attribute: false },
    shelf: { attribute: false },
    storedRuns: { state: true },
    liveRuns: { state: true },
    refusal: { state: true },
    announcement: { state: true },
    revision: { state: true },
    scrolled: { state: true },
    shown: { state: true },
  };

  static override styles = [
    base,
    errorNoteStyles,
    css`
      :host {
        display: block;
        min-block-size: 100vh;
      }
      main {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 24px;
        padding-block: 24px 0;
      }
      .notice {
        inline-size: min(var(--column), 100% - 32px);
        margin-inline: auto;
      }
      .loading {
        inline-size: min(var(--column), 100% - 32px);
        margin: 64px auto;
        color: var(--ink-quiet);
      }
    `,
  ];

  declare session: NotebookSession | null;
  declare trainer: TrainerClient | null;
  /** The text differs from the shipped one. */
  declare edited: boolean;
  /** The shipped notebook has changed since the edits began. */
  declare outdated: boolean;
  /** Something went wrong outside any cell. */
  declare notice: ErrorData | null;
  /** What recorded runs of this notebook came to. */
  declare recorded: readonly RecordedRun[];
  /** The notebooks that there are. */
  declare shelf: readonly ShelfEntry[];
  /** Index of the cell that has, or last had, the focus. */
  declare active: number;
  /** Newest stored run by cell. */
  declare storedRuns: ReadonlyMap<string, string>;
  /** By cell: its runs that train, or that were paused here. */
  declare liveRuns: ReadonlyMap<string, readonly Run[]>;
  /** A cell that was not run, and why. */
  declare refusal: { readonly cell: string; readonly error: ErrorData } | null;
  declare announcement: string;
  declare revision: number;
  declare scrolled: boolean;
  /** Cells rendered so far; they come one task after the other. */
  declare shown: number;

  /** Runs that were seen training: paused, they are still this page's. */
  readonly #trained = new Set<string>();
  #heard: NotebookSession | null = null;
  readonly #onChange = (): void => {
    this.revision++;
  };

  readonly #onScroll = (): void => {
    this.scrolled = scrollY > HEADING_HEIGHT_PX;
  };

  constructor() {
    super();
    this.session = null;
    this.trainer = null;
    this.edited = false;
    this.outdated = false;
    this.notice = null;
    this.recorded = [];
    this.shelf = [];
    this.active = 0;
    this.storedRuns = new Map();
    this.liveRuns = new Map();
    this.refusal = null;
    this.announcement = "";
    this.revision = 0;
    this.scrolled = false;
    this.shown = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("scroll", this.#onScroll, { passive: true });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("scroll", this.#onScroll);
    this.#heard?.removeEventListener("change", this.#onChange);
    this.#heard = null;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (this.#heard !== this.session) {
      this.#heard?.removeEventListener("change", this.#onChange);
      this.#heard = this.session;
      this.#heard?.addEventListener("change", this.#onChange);
    }
    if (changed.has("session")) {
      this.shown = 0;
      this.active = 0;
      this.storedRuns = new Map();
      this.liveRuns = new Map();
      this.refusal = null;
    }
    if (changed.has("session") || changed.has("trainer")) void this.#loadStoredRuns();
  }

  protected override updated(): void {
    if (this.session && this.shown < this.session.cells.length) void this.#showMore();
  }

  async #showMore(): Promise<void> {
    const { shown } = this;
    await turn();
    if (this.shown === shown) this.shown = shown + 1;
  }

  /** A run from before a reload is shown before any cell has run. */
  async #loadStoredRuns(): Promise<void> {
    const { session, trainer } = this;
    if (!session || !trainer) return;
    try {
      const newest = new Map<string, string>();
      const live = new Map<string, Run[]>();
      for (const run of await trainer.runs({ notebook: session.id })) {
        if (run.cell === null) continue;
        if (!newest.has(run.cell)) newest.set(run.cell, run.id);
        if (isTraining(run.status)) this.#trained.add(run.id);
        else if (run.status !== "paused" || !this.#trained.has(run.id)) continue;
        live.set(run.cell, [...(live.get(run.cell) ?? []), run]);
      }
      if (session !== this.session) return;
      this.storedRuns = newest;
      this.liveRuns = live;
      if (this.refusal && !live.has(this.refusal.cell)) this.refusal = null;
    } catch (error) {
      this.notice = asError(error).toData();
    }
  }

  #cells(): FulguriteCell[] {
    return [...this.renderRoot.querySelectorAll("fulgurite-cell")];
  }

  async #run(id: string): Promise<void> {
    const { session } = this;
    if (!session) return;
    for (const cell of this.#cells()) cell.flush();
    try {
      if (await this.#isTraining(id)) return;
      await session.run(id);
      const cell = session.cells.find((other) => other.id === id);
      await this.#loadStoredRuns();
      if (cell) this.announcement = `${id}: ${stateWords(cell.state, cell.lazy) || "done"}`;
    } catch (error) {
      this.notice = asError(error).toData();
    }
  }

  /** A run that goes on without its cell, from before a reload, is not to get a second one beside it. */
  async #isTraining(id: string): Promise<boolean> {
    if (!this.liveRuns.has(id) || this.#isBusy(id)) return false;
    await this.#loadStoredRuns();
    const [run] = this.liveRuns.get(id) ?? [];
    if (!run) return false;
    const doing = run.status === "paused" ? "paused" : "still training";
    const error = new FulguriteError(
      "page/still-training",
      `A run of ${id} is ${doing}; a second one beside it was not started.`,
      "Stop that run first, or let it end.",
    );
    this.refusal = { cell: id, error: error.toData() };
    this.announcement = error.message;
    return true;
  }

  #isBusy(id: string): boolean {
    const kind = this.session?.cells.find((cell) => cell.id === id)?.state.kind;
    return kind === "running" || kind === "queued";
  }

  async #stop(id: string): Promise<void> {
    try {
      if (this.#isBusy(id)) await this.session?.stop(id);
      else for (const run of this.liveRuns.get(id) ?? []) await this.trainer?.stop(run.id);
      await this.#loadStoredRuns();
    } catch (error) {
      this.notice = asError(error).toData();
    }
  }

  #onRunStatus({ runId, status }: RunStatusEvent): void {
    if (isTraining(status)) this.#trained.add(runId);
    void this.#loadStoredRuns();
  }

  async #runAll(): Promise<void> {
    for (const { id, kind } of this.session?.cells ?? []) if (kind !== "md") await this.#run(id);
  }

  #goTo(index: number): FulguriteCell | null {
    const cells = this.#cells();
    const next = Math.max(0, Math.min(cells.length - 1, index));
    this.active = next;
    return cells[next] ?? null;
  }

  #onAction({ cell: id, action }: CellActionEvent): void {
    const index = this.session?.cells.findIndex((cell) => cell.id === id) ?? -1;
    if (index < 0) return;
    switch (action) {
      case "focus":
        this.active = index;
        break;
      case "run":
        void this.#run(id);
        break;
      case "run-and-advance":
        void this.#run(id);
        this.#goTo(index + 1)?.focus();
        break;
      case "stop":
        void this.#stop(id);
        break;
      case "previous":
        void this.#goTo(index - 1)?.edit();
        break;
      case "next":
        void this.#goTo(index + 1)?.edit();
        break;
    }
  }

  #onEdit({ cell, source }: CellEditEvent): void {
    try {
      this.session?.edit(cell, source);
    } catch (error) {
      this.notice = asError(error).toData();
    }
  }

  #onKeydown(event: KeyboardEvent): void {
    // Keys typed into a text, a list or a dialog are theirs.
    const path = event.composedPath();
    const [target] = path;
    const theirs = "input, select, textarea, [contenteditable]";
    if (!(target instanceof Element) || target.closest(theirs)) return;
    if (path.some((element) => element instanceof HTMLDialogElement)) return;
    const modifier = event.ctrlKey || event.metaKey;
    const inCell = target.localName === "section";
    const cell = this.session?.cells[this.active];
    if (event.key === "?") this.#showKeys();
    else if (modifier && event.key.toLowerCase() === "z") {
      if (event.shiftKey) this.session?.redo();
      else this.session?.undo();
    } else if (!inCell || !cell) return;
    else if (event.key === "ArrowDown" && !modifier && !event.altKey) this.#goTo(this.active + 1)?.focus();
    else if (event.key === "ArrowUp" && !modifier && !event.altKey) this.#goTo(this.active - 1)?.focus();
    else if (event.key === "Enter" && event.shiftKey) {
      if (cell.kind !== "md") void this.#run(cell.id);
      this.#goTo(this.active + 1)?.focus();
    } else if (event.key === "Enter" && modifier) {
      if (cell.kind !== "md") void this.#run(cell.id);
    } else return;
    event.preventDefault();
  }

  #showKeys(): void {
    this.renderRoot.querySelector("fulgurite-keyboard-sheet")?.show();
  }

  override render(): TemplateResult {
    const { session } = this;
    return html`
      <fulgurite-header
        .heading=${session?.title ?? "Fulgurite"}
        .shelf=${this.shelf}
        .open=${session?.id ?? ""}
        ?edited=${this.edited}
        ?outdated=${this.outdated}
        ?scrolled=${this.scrolled}
        @fulgurite-run-all=${() => void this.#runAll()}
        @fulgurite-keys=${this.#showKeys}
      ></fulgurite-header>
      <main
        @fulgurite-cell-action=${this.#onAction}
        @fulgurite-run-status=${this.#onRunStatus}
        @fulgurite-cell-edit=${this.#onEdit}
        @keydown=${this.#onKeydown}
      >
        ${this.notice ? html`<div class="notice">${errorNote(this.notice)}</div>` : nothing}
        ${
          session === null
            ? this.notice
              ? nothing
              : html`<p class="loading" aria-busy="true">Opening the notebook…</p>`
            : repeat(
                session.cells.slice(0, this.shown),
                (cell) => `${session.id}/${cell.id}`,
                (cell, index) =>
                  html`<fulgurite-cell
                    .cell=${cell}
                    .index=${index}
                    .trainer=${this.trainer}
                    .notebook=${session.id}
                    .storedRun=${this.storedRuns.get(cell.id) ?? null}
                    .live=${liveWord(this.liveRuns.get(cell.id))}
                    .refusal=${this.refusal?.cell === cell.id ? this.refusal.error : null}
                    .recorded=${this.recorded.find(({ cell: recorded }) => recorded === cell.id) ?? null}
                    .usedBy=${usedBy(cell, session.cells)}
                    .active=${index === this.active}
                  ></fulgurite-cell>`,
              )
        }
      </main>
      <fulgurite-footer .trainer=${this.trainer}></fulgurite-footer>
      <fulgurite-keyboard-sheet></fulgurite-keyboard-sheet>
      <div class="visually-hidden" role="status">${this.announcement}</div>
    `;
  }
}

const isTraining = (status: Run["status"]): boolean => status === "queued" || status === "running";

const liveWord = (runs: readonly Run[] | undefined): "running" | "paused" | null =>
  !runs ? null : runs.some(({ status }) => isTraining(status)) ? "running" : "paused";

/** Cells that use a name which `cell` defines. */
const usedBy = (cell: CellView, cells: readonly CellView[]): string[] =>
  cells.filter(({ uses }) => uses.some((name) => cell.defines.includes(name))).map(({ id }) => id);

customElements.define("fulgurite-notebook", FulguriteNotebook);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-notebook": FulguriteNotebook;
  }
}
