import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { ErrorData } from "../gpu/error.ts";
import { heldUpWords } from "../notebook/held-up-words.ts";
import { runOutput } from "../notebook/host-cell.ts";
import type { CellView, Output } from "../notebook/session-types.ts";
import { cellStyles } from "./cell.css.ts";
import { cellLabel, stateWords, storedWords } from "./cell-words.ts";
import type { Command, CommandTarget } from "./commands.ts";
import "./code.ts";
import type { CodeEditEvent, CodeKeyEvent, FulguriteCode } from "./code.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { icon } from "./icons.ts";
import { markdown } from "./markdown.ts";
import { agenticOutputStyles } from "./agentic-outputs.ts";
import { outputStyles, outputViews } from "./output.ts";
import { prose } from "./prose.css.ts";
import { loadView } from "./lazy-outputs.ts";
import type { Run } from "../store/records.ts";
import type { Job } from "../train/job.ts";
import type { RecordedRun } from "./recorded.ts";
import type { RunCellEvent } from "./run-cell-event.ts";
import type { RunStatusEvent } from "./run-status-event.ts";
import { base, buttons } from "./tokens.css.ts";
import type { TrainerClient } from "./trainer-client.ts";

export type CellAction =
  "run" | "run-and-advance" | "stop" | "previous" | "next" | "focus" | "show" | "undo" | "redo" | Command;

/** What a person asks of a cell; the notebook does it. */
export class CellActionEvent extends Event {
  readonly cell: string;
  readonly action: CellAction;
  constructor(cell: string, action: CellAction) {
    super("fulgurite-cell-action", { bubbles: true, composed: true });
    this.cell = cell;
    this.action = action;
  }
}

/** The cell's new text. */
export class CellEditEvent extends Event {
  readonly cell: string;
  readonly source: string;
  constructor(cell: string, source: string) {
    super("fulgurite-cell-edit", { bubbles: true, composed: true });
    this.cell = cell;
    this.source = source;
  }
}

/**
 * `<fulgurite-cell>`: one cell with its text, state and outputs. In command mode the cell itself has the
 * focus; Enter goes into its text, Escape comes back.
 */
export class FulguriteCell extends LitElement {
  static override properties = {
    cell: { attribute: false },
    index: { type: Number },
    trainer: { attribute: false },
    notebook: {},
    storedRuns: { attribute: false },
    storedStatus: { attribute: false },
    live: {},
    refusal: { attribute: false },
    recorded: { attribute: false },
    usedBy: { attribute: false },
    active: { type: Boolean },
    target: { attribute: false },
    appView: { type: Boolean },
    empty: { type: Boolean, reflect: true },
    editingText: { state: true },
    unfolded: { state: true },
    saidByRuns: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    outputStyles,
    agenticOutputStyles,
    prose,
    cellStyles,
  ];

  declare cell: CellView | null;
  declare index: number;
  declare trainer: TrainerClient | null;
  declare notebook: string;
  /** The newest stored run of this cell, or its newest sweep, shown until the cell has run by itself. */
  declare storedRuns: readonly Run[];
  declare storedStatus: Run["status"] | null;
  /** What a run of this cell that has not ended does; such a run may have begun before the page was opened. */
  declare live: "running" | "paused" | null;
  /** Why the cell was not run. */
  declare refusal: ErrorData | null;
  /** Runs that were recorded with the notebook; that of this cell is shown until there is one of one's own. */
  declare recorded: readonly RecordedRun[];
  /** Cells that use what this one defines. */
  declare usedBy: readonly string[];
  /** The one cell that Tab reaches. */
  declare active: boolean;
  /** The notebook, for the cell's menu. */
  declare target: CommandTarget | null;
  /** Shows text, outputs and inputs only. */
  declare appView: boolean;
  /** Has nothing to show without its code. */
  declare empty: boolean;
  declare editingText: boolean;
  declare unfolded: boolean;
  /** Why runs failed, where their views have said it; what the cell threw because of that is not said again. */
  declare saidByRuns: readonly string[];

  constructor() {
    super();
    this.cell = null;
    this.index = 0;
    this.trainer = null;
    this.notebook = "";
    this.storedRuns = [];
    this.storedStatus = null;
    this.live = null;
    this.refusal = null;
    this.recorded = [];
    this.usedBy = [];
    this.active = false;
    this.target = null;
    this.appView = false;
    this.empty = false;
    this.editingText = false;
    this.unfolded = false;
    this.saidByRuns = [];
  }

  /** Command mode: the cell itself has the focus. */
  override focus(options?: FocusOptions): void {
    const section = this.renderRoot.querySelector("section");
    section?.focus({ preventScroll: true });
    if (options?.preventScroll !== true) section?.scrollIntoView({ block: "nearest" });
  }

  /** Where the caret is in the text, or null while it is still. */
  get caret(): number | null {
    return this.#code()?.caret ?? null;
  }

  /** Whether the text has the focus. */
  get isEditing(): boolean {
    return this.#code()?.matches(":focus-within") ?? false;
  }

  /** Selects a stretch of the text that is being edited. */
  selectText(from: number, to: number): void {
    this.#code()?.select(from, to);
  }

  /** Types a text where the caret is. */
  insertText(text: string): void {
    this.#code()?.insertText(text);
  }

  unfold(): void {
    this.unfolded = true;
  }

  /** Goes into the text. */
  async edit(): Promise<void> {
    if (this.cell?.readonly) return;
    this.editingText = true;
    this.unfolded = true;
    await this.updateComplete;
    await this.#code()?.edit();
  }

  /** Sends what was typed and not sent yet. */
  flush(): void {
    this.#code()?.flush();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.get("cell")?.fold === false && this.cell?.fold) this.unfolded = false;
    const recorded = this.#recorded();
    if (recorded) loadView("recorded-run");
    this.empty =
      this.cell?.kind !== "md" &&
      (this.cell?.outputs.length ?? 0) === 0 &&
      this.cell?.state.kind !== "error" &&
      this.storedRuns.length === 0 &&
      recorded === null &&
      !this.cell?.lazy;
  }

  /** Another cell is active: text is drawn again, and nothing stays selected. */
  #leave(): void {
    if (this.active) return;
    this.#code()?.flush();
    this.#code()?.deselect();
    if (this.cell?.kind === "md") this.editingText = false;
  }

  /** A run that has just begun comes into view: the policy acting is what the person wants to see. */
  protected override updated(changed: PropertyValues<this>): void {
    if (changed.get("active") === true) {
      // Between a press and its release nothing may move, or the click goes to what moved under it.
      const isPressed = document.documentElement.matches(":active");
      if (!isPressed) this.#leave();
      else addEventListener("pointerup", () => setTimeout(() => this.#leave()), { once: true });
    }
    const before = changed.get("cell");
    if (!before || !this.cell || this.cell.state.kind !== "running") return;
    const newest = newestRun(this.cell);
    if (newest === null || newest === newestRun(before)) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    requestAnimationFrame(() => {
      const run = this.renderRoot.querySelector(".wide:last-of-type");
      run?.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
    });
  }

  #recorded(): RecordedRun | null {
    return this.recorded.find(({ cell }) => cell === this.cell?.id) ?? null;
  }

  #code(): FulguriteCode | null {
    return this.renderRoot.querySelector("fulgurite-code");
  }

  #act(action: CellAction): void {
    if (this.cell) this.dispatchEvent(new CellActionEvent(this.cell.id, action));
  }

  #onCodeKey(event: CodeKeyEvent): void {
    event.stopPropagation();
    if (event.action === "leave") {
      this.editingText = false;
      this.focus();
    } else {
      const leaves = event.action !== "run" && event.action !== "undo" && event.action !== "redo";
      if (this.cell?.kind === "md" && leaves) this.editingText = false;
      this.#act(event.action);
    }
  }

  #onEdit(event: CodeEditEvent): void {
    event.stopPropagation();
    if (this.cell) this.dispatchEvent(new CellEditEvent(this.cell.id, event.source));
  }

  #openMenu(event: Event): void {
    this.#act("focus");
    const { target, cell } = this;
    if (!target || !cell) return;
    const button = event.currentTarget as HTMLElement;
    void import("./cell-menu.ts").then(({ openCellMenu }) => {
      openCellMenu(button, cell.kind, target);
    });
  }

  override render(): TemplateResult | typeof nothing {
    const { cell } = this;
    if (!cell) return nothing;
    return html`<section
      tabindex=${this.active ? 0 : -1}
      aria-label=${cellLabel(cell, this.index, this.#runWords(cell))}
      aria-busy=${cell.state.kind === "running" || this.live === "running" ? "true" : "false"}
      @focusin=${() => {
        if (!this.active) this.#act("focus");
      }}
      @fulgurite-edit=${this.#onEdit}
      @fulgurite-code-key=${this.#onCodeKey}
      @fulgurite-run-status=${({ status, reason }: RunStatusEvent) => {
        if (status === "failed" && reason !== null) this.saidByRuns = [reason, ...this.saidByRuns];
      }}
      @fulgurite-run-cell=${({ cell: asked }: RunCellEvent) =>
        this.dispatchEvent(new CellActionEvent(asked ?? cell.id, "run"))}
    >
      ${cell.kind === "md" ? this.#text(cell) : this.#program(cell)}
    </section>`;
  }

  #more(cell: CellView): TemplateResult {
    return html`<button
      class="bare more"
      title="More"
      aria-label=${`More for ${cell.id}`}
      aria-haspopup="menu"
      @click=${this.#openMenu}
    >
      ${icon("more")}
    </button>`;
  }

  #text(cell: CellView): TemplateResult {
    const text = this.editingText
      ? html`<div class="code">
          <fulgurite-code
            .source=${live(cell.source)}
            language="md"
            label=${`Text of cell ${this.index + 1}`}
          ></fulgurite-code>
        </div>`
      : html`<div class="text prose" @dblclick=${() => void this.edit()}>
          ${cell.source.trim() === "" ? html`<p class="nothing">Empty text. Press Enter to write.</p>` : markdown(cell.source)}
        </div>`;
    return html`${this.appView ? nothing : html`<div class="margin silent">${this.#more(cell)}</div>`} ${text}`;
  }

  /** Run or stop, the menu, and the state in words; "" where there is nothing to say. */
  #margin(cell: CellView, busy: boolean, words: string): TemplateResult {
    return html`<div class=${words === "" ? "margin silent" : "margin"}>
      ${
        busy
          ? html`<button
              class="bare"
              title="Stop"
              aria-label=${`Stop ${cell.id}`}
              @click=${() => {
                this.#act("stop");
              }}
            >
              ${icon("stop")}
            </button>`
          : html`<button
              class="bare"
              title="Run (Shift+Enter)"
              aria-label=${`Run ${cell.id}`}
              @click=${() => {
                this.#act("run");
              }}
            >
              ${icon("run")}
            </button>`
      }
      ${this.appView ? nothing : this.#more(cell)}
      <span class=${`state ${this.live === null ? cell.state.kind : "running"}`}>${words}</span>
    </div>`;
  }

  #program(cell: CellView): TemplateResult {
    const { state } = cell;
    const words = this.#runWords(cell) ?? stateWords(state, cell.lazy);
    const outputs = this.#outputs(cell);
    const busy = state.kind === "running" || state.kind === "queued" || this.live !== null;
    const stale = state.kind === "stale";
    const invites =
      cell.lazy && outputs.length === 0 && ["idle", "stale", "cancelled"].includes(state.kind) && !busy;
    const margin = invites && state.kind === "idle" ? "" : words;
    const context = {
      trainer: this.trainer,
      notebook: this.notebook,
      cell: cell.id,
      usedBy: this.usedBy,
      stale,
      recorded: this.recorded,
    };
    const recorded = this.#recorded();
    const ran = outputs.some(({ view }) => view === "run");
    return html`
      ${this.appView && margin === "" && (ran || !cell.lazy) ? nothing : this.#margin(cell, busy, margin)}
      ${
        this.appView
          ? nothing
          : (cell.fold || cell.hidden) && !this.unfolded
            ? html`<button class="bare fold" @click=${() => (this.unfolded = true)}>
                ${icon("chevron")}Show the code of ${cell.id}
              </button>`
            : html`<div class="code">
                <fulgurite-code
                  .source=${live(cell.source)}
                  language="ts"
                  cell=${cell.id}
                  ?readonly=${cell.readonly}
                  label=${`Code of cell ${this.index + 1}, ${cell.id}`}
                ></fulgurite-code>
              </div>`
      }
      ${
        state.kind === "error" && !this.saidByRuns.includes(state.error.message)
          ? errorNote(state.error, state.lineText)
          : nothing
      }
      ${this.refusal ? errorNote(this.refusal) : nothing} ${this.#heldUp(cell)}
      ${
        invites
          ? html`<div class="call">
              <button
                class="primary"
                @click=${() => {
                  this.#act("run");
                }}
              >
                ${icon("run")}Run
              </button>
              ${state.kind === "idle" ? html`<span>Not run yet. Nothing starts until you say so.</span>` : nothing}
            </div>`
          : nothing
      }
      ${outputViews(outputs, context)}
      ${
        recorded === null || ran
          ? nothing
          : html`<div class="wide">
              <fulgurite-recorded-run
                .recorded=${recorded}
                .others=${this.recorded}
                runnable
              ></fulgurite-recorded-run>
            </div>`
      }
    `;
  }

  /** A cell that runs by itself and does not says what it waits for. */
  #heldUp({ heldUp, lazy }: CellView): TemplateResult | typeof nothing {
    if (heldUp === null || lazy) return nothing;
    const goThere = (): void => {
      this.dispatchEvent(new CellActionEvent(heldUp.by, "show"));
    };
    return html`<p class="held-up">
      Waits for <button class="bare" @click=${goThere}>${heldUp.by}</button>, which ${heldUpWords(heldUp)}.
    </p>`;
  }

  /** What its run does, or where it has not run since, what the stored one came to. */
  #runWords({ state }: CellView): string | null {
    if (this.live !== null || state.kind !== "idle" || this.storedStatus === null) return this.live;
    return storedWords(this.storedStatus);
  }

  #outputs(cell: CellView): readonly Output[] {
    if (this.storedRuns.length === 0 || cell.outputs.some(({ view }) => view === "run")) return cell.outputs;
    return [...cell.outputs, ...this.storedRuns.map(({ id, job }) => runOutput(id, job as Job))];
  }
}

const newestRun = (cell: CellView): string | null =>
  cell.outputs.reduce<string | null>((id, output) => (output.view === "run" ? output.runId : id), null);

customElements.define("fulgurite-cell", FulguriteCell);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-cell": FulguriteCell;
  }
  interface HTMLElementEventMap {
    "fulgurite-cell-action": CellActionEvent;
    "fulgurite-cell-edit": CellEditEvent;
  }
}
