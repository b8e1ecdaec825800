import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import type { ErrorData } from "../gpu/error.ts";
import type { CellView, NotebookSession } from "../notebook/session-types.ts";
import type { StructureEdit } from "../notebook/structure.ts";
import "./cell.ts";
import type { CellActionEvent, CellEditEvent, FulguriteCell } from "./cell.ts";
import { CellGroups, type CellGroup } from "./cell-groups.ts";
import { CellPace } from "./cell-pace.ts";
import { DrawnCells } from "./drawn-cells.ts";
import { stateWords } from "./cell-words.ts";
import { CommandKeys } from "./command-keys.ts";
import { isRunning, type CommandTarget, type Panel } from "./commands.ts";
import "./footer.ts";
import "./header.ts";
import "./inserter.ts";
import type { InputEvent } from "./input.ts";
import type { InsertEvent } from "./inserter.ts";
import type { EnvironmentPortEvent } from "./environment-port-event.ts";
import type { LanguageHostEvent } from "./language/language-host.ts";
import type { Library } from "./library.ts";
import { NotebookRuns } from "./notebook-runs.ts";
import { notebookStyles } from "./notebook.css.ts";
import { noticeBar, noticeStyles } from "./notice.ts";
import { replaceAll } from "./replace.ts";
import type { RecordedRun } from "./recorded.ts";
import type { RunStatusEvent } from "./run-status-event.ts";
import { base, buttons } from "./tokens.css.ts";
import { asError, type TrainerClient } from "./trainer-client.ts";
import { turn } from "./turn.ts";
import { UsedBy } from "./used-by.ts";

/** Scrolled this far, the notebook's own heading is out of sight. */
const HEADING_HEIGHT_PX = 96;

/**
 * `<fulgurite-notebook>`: a whole notebook. Owns command mode (which cell is active, the keys) and asks the
 * session for everything else. Dispatches "fulgurite-reset" when the person wants the shipped text back.
 */
export class FulguriteNotebook extends LitElement implements CommandTarget {
  static override properties = {
    session: { attribute: false },
    trainer: { attribute: false },
    library: { attribute: false },
    edited: { type: Boolean },
    outdated: { type: Boolean },
    notice: { attribute: false },
    recorded: { attribute: false },
    appView: { type: Boolean, attribute: "app-view", reflect: true },
    index: { state: true },
    announcement: { state: true },
    revision: { state: true },
    scrolled: { state: true },
    shown: { state: true },
  };

  static override styles = [base, buttons, noticeStyles, notebookStyles];

  declare session: NotebookSession | null;
  declare trainer: TrainerClient | null;
  /** The notebooks that there are; null where only this one can be shown. */
  declare library: Library | null;
  /** The text differs from the shipped one. */
  declare edited: boolean;
  /** The shipped notebook has changed since the edits began. */
  declare outdated: boolean;
  /** Something went wrong outside any cell. */
  declare notice: ErrorData | null;
  /** What recorded runs of this notebook came to. */
  declare recorded: readonly RecordedRun[];
  /** Outputs and inputs only. */
  declare appView: boolean;
  /** Of the cell that has, or last had, the focus. */
  declare index: number;
  declare announcement: string;
  declare revision: number;
  declare scrolled: boolean;
  /** Cells rendered so far; they come a few at a time. */
  declare shown: number;

  readonly #runs = new NotebookRuns(this);
  readonly #usedBy = new UsedBy();
  readonly #pace = new CellPace();
  readonly #groups = new CellGroups();
  readonly #drawn = new DrawnCells();
  readonly #keys = new CommandKeys(this);
  #heard: NotebookSession | null = null;
  /** Once a frame: a notebook of 1,000 cells that all run changes 3,000 times. */
  readonly #onChange = (): void => {
    void this.#drawn.draw(() => this.revision++);
  };
  readonly #onScroll = (): void => {
    this.scrolled = scrollY > HEADING_HEIGHT_PX;
  };

  constructor() {
    super();
    this.session = null;
    this.trainer = null;
    this.library = null;
    this.edited = false;
    this.outdated = false;
    this.notice = null;
    this.recorded = [];
    this.appView = false;
    this.index = 0;
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
      this.index = 0;
      this.#groups.clear();
      this.#drawn.clear();
    }
    if (changed.has("session") || changed.has("trainer")) {
      this.#runs.follow(this.session?.id ?? null, this.trainer).catch(this.#fail);
    }
  }

  protected override firstUpdated(): void {
    this.#drawn.watch(this.renderRoot.querySelector("main")!);
  }

  protected override updated(): void {
    if (this.session && this.shown < this.session.cells.length) void this.#showMore();
  }

  async #showMore(): Promise<void> {
    const { shown } = this;
    await turn();
    if (this.shown === shown) this.shown = shown + this.#pace.next(shown);
  }

  readonly #fail = (error: unknown): void => {
    this.notice = asError(error).toData();
  };

  // What a command may ask

  get cells(): readonly CellView[] {
    return this.session?.cells ?? [];
  }
  get cell(): CellView | null {
    return this.cells[this.index] ?? null;
  }
  get caret(): number | null {
    return this.#element(this.index)?.caret ?? null;
  }
  get canDismiss(): boolean {
    return this.notice !== null && this.session !== null;
  }
  get canUndo(): boolean {
    return this.session?.canUndo ?? false;
  }
  get canRedo(): boolean {
    return this.session?.canRedo ?? false;
  }

  apply(edit: StructureEdit, then: "select" | "edit" = "select"): void {
    const cell = this.applyQuietly(edit);
    if (cell !== undefined) void this.#show(cell, then);
  }

  /** The same without going anywhere, for changes in many cells. Undefined where it failed. */
  applyQuietly(edit: StructureEdit): string | null | undefined {
    this.flush();
    try {
      return this.session?.apply(edit) ?? null;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  undo(): void {
    this.flush();
    void this.#show(this.session?.undo() ?? null, "select");
    this.announcement = "Undone.";
  }

  redo(): void {
    void this.#show(this.session?.redo() ?? null, "select");
    this.announcement = "Done again.";
  }

  /** Brings a cell into view once it is there: `id` null means the one that was active. */
  async #show(id: string | null, then: "select" | "edit"): Promise<void> {
    this.notice = null;
    const index = this.cells.findIndex((cell) => cell.id === id);
    if (index >= 0) this.shown = Math.max(this.shown, index + 1);
    // The session's own "change" comes a microtask later.
    this.requestUpdate();
    await this.updateComplete;
    const cell = this.#goTo(index < 0 ? this.index : index);
    await cell?.updateComplete;
    if (then === "edit") await this.#edit(cell);
    else if (!cell?.isEditing) cell?.focus();
  }

  select(index: number, options?: FocusOptions): void {
    this.#goTo(index)?.focus(options);
  }
  editText(): void {
    void this.#edit(this.#element(this.index));
  }

  async #edit(cell: FulguriteCell | null): Promise<void> {
    if (!cell) return;
    const typed = await this.#keys.typedDuring(cell.edit());
    if (typed !== "") cell.insertText(typed);
  }
  run(): void {
    if (this.cell && this.cell.kind !== "md") void this.#run(this.cell.id);
  }
  runAndAdvance(): void {
    this.run();
    this.#goTo(this.index + 1)?.focus();
  }
  runAll(): void {
    void this.#runEach(({ kind }) => kind !== "md");
  }
  runStale(): void {
    void this.#runEach(({ state }) => state.kind === "stale");
  }
  stopAll(): void {
    for (const cell of this.cells) if (isRunning(cell)) void this.#stop(cell.id);
  }
  leaveRuns(): void {
    if (this.cell) void this.#stop(this.cell.id, "go-on");
  }
  showRunning(): void {
    const running = this.cells.findIndex(({ state }) => state.kind === "running");
    this.select(running >= 0 ? running : this.cells.findIndex(isRunning));
  }
  unfold(): void {
    this.#element(this.index)?.unfold();
  }
  open(what: Panel): void {
    if (what === "app") {
      this.appView = !this.appView;
      this.announcement = this.appView ? "Only what the cells show." : "With code.";
      return;
    }
    this.flush();
    import("./panels.ts").then(({ openPanel }) => openPanel(what, this), this.#fail);
  }

  dismiss(): void {
    if (this.renderRoot.querySelector(".notice:focus-within")) this.select(this.index);
    this.notice = null;
  }

  /** Goes to a cell by its id, for the outline and the like. */
  goToCell(id: string): void {
    void this.#show(id, "select");
  }

  /** Selects a stretch of a cell's text. */
  async reveal(id: string, from: number, to: number): Promise<void> {
    await this.#show(id, "edit");
    this.#element(this.index)?.selectText(from, to);
  }

  // Running

  flush(): void {
    for (const cell of this.renderRoot.querySelectorAll("fulgurite-cell")) cell.flush();
  }

  async #runEach(wanted: (cell: CellView) => boolean): Promise<void> {
    for (const { id } of this.cells.filter(wanted)) await this.#run(id);
  }

  async #run(id: string): Promise<void> {
    const { session } = this;
    if (!session) return;
    this.flush();
    try {
      const refusal = this.#isBusy(id) ? null : await this.#runs.refuses(id);
      if (refusal) {
        this.announcement = refusal.error.message;
        return;
      }
      await session.run(id);
      await this.#runs.load();
      const cell = session.cells.find((other) => other.id === id);
      if (cell) this.announcement = `${id}: ${stateWords(cell.state, cell.lazy) || "done"}`;
    } catch (error) {
      this.#fail(error);
    }
  }

  #isBusy(id: string): boolean {
    return this.cells.some((cell) => cell.id === id && isRunning(cell));
  }

  async #stop(id: string, runs?: "go-on"): Promise<void> {
    try {
      if (this.#isBusy(id)) await this.session?.stop(id, runs);
      else await this.#runs.stop(id);
      await this.#runs.load();
    } catch (error) {
      this.#fail(error);
    }
  }

  // Events

  #element(index: number): FulguriteCell | null {
    return this.renderRoot.querySelectorAll("fulgurite-cell")[index] ?? null;
  }

  #goTo(index: number): FulguriteCell | null {
    this.index = Math.max(0, Math.min(this.cells.length - 1, index));
    return this.#element(this.index);
  }

  #onAction({ cell: id, action }: CellActionEvent): void {
    const index = this.cells.findIndex((cell) => cell.id === id);
    if (index < 0) return;
    if (action === "undo" || action === "redo") {
      this[action]();
      return;
    }
    this.index = index;
    switch (action) {
      case "focus":
        break;
      case "show":
        this.goToCell(id);
        break;
      case "run":
        this.run();
        break;
      case "run-and-advance":
        this.runAndAdvance();
        break;
      case "stop":
        void this.#stop(id);
        break;
      case "previous":
        void this.#edit(this.#goTo(index - 1));
        break;
      case "next":
        void this.#edit(this.#goTo(index + 1));
        break;
      default:
        action.run(this);
    }
  }

  #onEdit({ cell, source }: CellEditEvent): void {
    try {
      this.session?.edit(cell, source);
    } catch (error) {
      this.#fail(error);
    }
  }

  #onLanguageHost(event: LanguageHostEvent): void {
    const cells = (): readonly CellView[] => this.cells;
    event.host ??= {
      get cells() {
        return cells().filter(({ kind }) => kind !== "md");
      },
      rename: (places, name) => {
        const sources = replaceAll(this.cells, places, name);
        this.applyQuietly({ kind: "sources", sources });
      },
      reveal: ({ cell, from, to }) => void this.reveal(cell, from, to),
    };
  }

  override render(): TemplateResult {
    const { session } = this;
    return html`
      <fulgurite-header
        .heading=${session?.title ?? "Fulgurite"}
        .target=${this}
        .revision=${this.revision}
        ?edited=${this.edited}
        ?outdated=${this.outdated}
        ?scrolled=${this.scrolled}
        ?app-view=${this.appView}
      ></fulgurite-header>
      <main
        @fulgurite-cell-action=${this.#onAction}
        @fulgurite-run-status=${({ runId, status }: RunStatusEvent) =>
          void this.#runs.told(runId, status).catch(this.#fail)}
        @fulgurite-cell-edit=${this.#onEdit}
        @fulgurite-input=${({ cell, label, value }: InputEvent) => this.session?.setInput(cell, label, value)}
        @fulgurite-insert=${({ at, cell }: InsertEvent) => this.apply({ kind: "insert", at, cell }, "edit")}
        @fulgurite-language-host=${this.#onLanguageHost}
        @fulgurite-environment-port=${(event: EnvironmentPortEvent) =>
          (event.port ??= this.session?.environments() ?? null)}
      >
        ${this.#consent(session)} ${noticeBar(this)}
        ${
          session === null
            ? this.notice
              ? nothing
              : html`<p class="loading" aria-busy="true">Opening the notebook…</p>`
            : this.#list(session)
        }
      </main>
      <fulgurite-footer .trainer=${this.trainer}></fulgurite-footer>
      <div class="visually-hidden" role="status">${this.announcement}</div>
    `;
  }

  /** Asked for only where there is something to ask, so that most pages do without it. */
  #consent(session: NotebookSession | null): unknown {
    if (!session) return nothing;
    const { state, refused } = session.permissions;
    if (state === "allowed" && refused.length === 0) return nothing;
    void import("./consent-bar.ts").catch(this.#fail);
    return html`<fulgurite-consent .session=${session} .revision=${this.revision}></fulgurite-consent>`;
  }

  /** A group is given to Lit anew only where something of it has changed. */
  #list(session: NotebookSession): unknown {
    const { cells } = session;
    const usedBy = this.#usedBy.of(cells);
    const common = [session.id, this.trainer, ...this.#runs.known, this.recorded, this.appView];
    const group = ({ from, cells }: CellGroup): TemplateResult => {
      const drawn = cells.map((cell, i) => this.#drawn.show(cell, from + i === this.index));
      const own = cells.flatMap(({ id }) => [this.#drawn.write(id), usedBy.get(id)]);
      const active = cells[this.index - from] ? this.index : -1;
      return html`<div class="group">
        ${guard([...common, from, active, ...own], () => {
          const place = (cell: CellView, i: number): TemplateResult =>
            this.#place(cell, from + i, usedBy.get(cell.id) ?? []);
          return repeat(drawn, ({ id }) => id, place);
        })}
      </div>`;
    };
    return html`
      ${repeat(this.#groups.of(cells.slice(0, this.shown)), ({ key }) => key, group)}
      <fulgurite-inserter
        class=${cells.length === 0 ? "only" : "last"}
        .at=${cells.length}
        ?open=${cells.length === 0}
      ></fulgurite-inserter>
    `;
  }

  #place(cell: CellView, index: number, usedBy: readonly string[]): TemplateResult {
    const storedRuns = this.#runs.storedOf(cell.id);
    return html`<div class="place">
      <fulgurite-inserter .at=${index}></fulgurite-inserter>
      <fulgurite-cell
        .cell=${cell}
        .index=${index}
        .trainer=${this.trainer}
        .notebook=${this.session!.id}
        .storedRuns=${storedRuns}
        .storedStatus=${storedRuns.at(-1)?.status ?? null}
        .live=${this.#runs.word(cell.id)}
        .refusal=${this.#runs.refusalOf(cell.id)}
        .recorded=${this.recorded}
        .usedBy=${usedBy}
        .active=${index === this.index}
        .target=${this}
        .appView=${this.appView}
      ></fulgurite-cell>
    </div>`;
  }
}

customElements.define("fulgurite-notebook", FulguriteNotebook);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-notebook": FulguriteNotebook;
  }
}
