import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { CellView, Output } from "../notebook/session-types.ts";
import { cellLabel, stateWords } from "./cell-words.ts";
import "./code.ts";
import type { CodeEditEvent, CodeKeyEvent, FulguriteCode } from "./code.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { icon } from "./icons.ts";
import { markdown } from "./markdown.ts";
import { isWide, outputStyles, outputView } from "./output.ts";
import { prose } from "./prose.css.ts";
import { base, buttons } from "./tokens.css.ts";
import type { TrainerClient } from "./trainer-client.ts";

export type CellAction = "run" | "run-and-advance" | "stop" | "previous" | "next" | "focus";

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
    storedRun: { attribute: false },
    active: { type: Boolean },
    editingText: { state: true },
    unfolded: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    outputStyles,
    prose,
    css`
      :host {
        display: block;
      }
      section {
        position: relative;
        display: grid;
        grid-template-columns:
          minmax(0, 1fr) minmax(0, var(--wide-part)) minmax(0, var(--column))
          minmax(0, var(--wide-part)) minmax(0, 1fr);
        --wide-part: calc((var(--wide) - var(--column)) / 2);
      }
      section > * {
        grid-column: 3;
        min-inline-size: 0;
      }
      section > .wide {
        grid-column: 2 / 5;
      }
      section:focus-visible {
        outline: none;
      }
      section:focus-visible::before {
        content: "";
        position: absolute;
        inset-block: 4px;
        inset-inline-start: calc(50% - min(50%, var(--column) / 2) - 16px);
        inline-size: 3px;
        border-radius: 2px;
        background: var(--accent);
      }
      .code {
        padding: 12px 16px;
        background: var(--surface);
        border-radius: var(--radius);
        border-inline-start: 2px solid transparent;
      }
      .code:focus-within {
        outline: 1px solid var(--accent);
        background: var(--paper);
      }
      .margin {
        grid-column: 1 / 3;
        grid-row: 1;
        display: flex;
        flex-direction: row-reverse;
        align-items: flex-start;
        gap: 4px;
        padding: 6px 8px 0;
        min-block-size: 44px;
      }
      .margin .state {
        padding-block-start: 6px;
        text-align: end;
        font-size: var(--size-small);
        line-height: 20px;
        color: var(--ink-quiet);
      }
      .state.stale {
        color: var(--stale);
      }
      .state.error {
        color: var(--error);
      }
      .state.running {
        color: var(--accent-ink);
      }
      .margin button {
        color: var(--ink-faint);
      }
      section:hover .margin button,
      section:focus-within .margin button,
      .margin button:focus-visible,
      .margin button:hover {
        color: var(--accent-ink);
      }
      .output,
      .wide {
        margin-block-start: 12px;
      }
      .call {
        display: flex;
        align-items: center;
        gap: 16px;
        margin-block-start: 12px;
        min-block-size: 48px;
        font-size: var(--size-small);
        color: var(--ink-quiet);
      }
      .call button {
        min-block-size: 40px;
        padding-inline: 20px;
        font-size: 0.9375rem;
      }
      .text {
        cursor: default;
      }
      .fold {
        justify-content: flex-start;
        color: var(--ink-quiet);
      }
      @media (max-width: 1039px) {
        section {
          grid-template-columns: 16px minmax(0, 1fr) 16px;
        }
        section > *,
        section > .wide {
          grid-column: 2;
        }
        section:focus-visible::before {
          inset-inline-start: 6px;
        }
        .margin {
          grid-row: auto;
          flex-direction: row;
          justify-content: flex-start;
          align-items: center;
          min-block-size: 40px;
          padding: 0;
        }
        .margin .state {
          padding: 0;
        }
        .margin button {
          padding-inline-start: 0;
        }
        .margin.silent {
          position: absolute;
          inset-block-start: 4px;
          inset-inline-end: 20px;
        }
        .code {
          padding-inline-end: 40px;
        }
        .text {
          font-size: 1rem;
        }
      }
      @media (min-width: 1040px) and (max-width: 1159px) {
        section {
          --wide-part: 132px;
        }
      }
    `,
  ];

  declare cell: CellView | null;
  declare index: number;
  declare trainer: TrainerClient | null;
  declare notebook: string;
  /** The newest stored run of this cell, shown until the cell has run by itself. */
  declare storedRun: string | null;
  /** The one cell that Tab reaches. */
  declare active: boolean;
  declare editingText: boolean;
  declare unfolded: boolean;

  constructor() {
    super();
    this.cell = null;
    this.index = 0;
    this.trainer = null;
    this.notebook = "";
    this.storedRun = null;
    this.active = false;
    this.editingText = false;
    this.unfolded = false;
  }

  /** Command mode: the cell itself has the focus. */
  override focus(): void {
    const section = this.renderRoot.querySelector("section");
    section?.focus({ preventScroll: true });
    section?.scrollIntoView({ block: "nearest" });
  }

  /** Goes into the text. */
  async edit(): Promise<void> {
    this.editingText = true;
    this.unfolded = true;
    await this.updateComplete;
    await this.#code()?.edit();
  }

  /** Sends what was typed and not sent yet. */
  flush(): void {
    this.#code()?.flush();
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
      if (this.cell?.kind === "md" && event.action !== "run") this.editingText = false;
      this.#act(event.action);
    }
  }

  #onEdit(event: CodeEditEvent): void {
    event.stopPropagation();
    if (this.cell) this.dispatchEvent(new CellEditEvent(this.cell.id, event.source));
  }

  #onKeydown(event: KeyboardEvent): void {
    const section = this.renderRoot.querySelector("section");
    if (event.composedPath()[0] !== section) return;
    if (event.key === "Enter" && !event.shiftKey && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      void this.edit();
    }
  }

  override render(): TemplateResult | typeof nothing {
    const { cell } = this;
    if (!cell) return nothing;
    return html`<section
      tabindex=${this.active ? 0 : -1}
      aria-label=${cellLabel(cell, this.index)}
      aria-busy=${cell.state.kind === "running" ? "true" : "false"}
      @keydown=${this.#onKeydown}
      @focusin=${() => {
        if (!this.active) this.#act("focus");
      }}
      @fulgurite-edit=${this.#onEdit}
      @fulgurite-code-key=${this.#onCodeKey}
      @fulgurite-run-cell=${() => {
        this.#act("run");
      }}
    >
      ${cell.kind === "md" ? this.#text(cell) : this.#program(cell)}
    </section>`;
  }

  #text(cell: CellView): TemplateResult {
    return this.editingText
      ? html`<div class="code">
          <fulgurite-code
            .source=${cell.source}
            language="md"
            label=${`Text of cell ${this.index + 1}`}
          ></fulgurite-code>
        </div>`
      : html`<div class="text prose" @dblclick=${() => void this.edit()}>${markdown(cell.source)}</div>`;
  }

  #program(cell: CellView): TemplateResult {
    const { state } = cell;
    const words = stateWords(state, cell.lazy);
    const outputs = this.#outputs(cell);
    const busy = state.kind === "running" || state.kind === "queued";
    const stale = state.kind === "stale";
    const invites = cell.lazy && !busy && outputs.length === 0;
    const context = { trainer: this.trainer, notebook: this.notebook, cell: cell.id, stale };
    return html`
      <div class=${this.#marginWords(cell, words, invites) === "" ? "margin silent" : "margin"}>
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
        <span class=${`state ${state.kind}`}>${this.#marginWords(cell, words, invites)}</span>
      </div>
      ${
        cell.fold && !this.unfolded
          ? html`<button class="bare fold" @click=${() => (this.unfolded = true)}>
              ${icon("chevron")}Show the code of ${cell.id}
            </button>`
          : html`<div class="code">
              <fulgurite-code
                .source=${cell.source}
                language="ts"
                label=${`Code of cell ${this.index + 1}, ${cell.id}`}
              ></fulgurite-code>
            </div>`
      }
      ${state.kind === "error" ? errorNote(state.error, state.lineText) : nothing}
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
              <span>${stale ? words : "Not run yet. Nothing starts until you say so."}</span>
            </div>`
          : nothing
      }
      ${outputs.map(
        (output) =>
          html`<div class=${isWide(output) ? "wide" : "output"}>${outputView(output, context)}</div>`,
      )}
    `;
  }

  #marginWords(cell: CellView, words: string, invites: boolean): string {
    if (cell.state.kind !== "idle") return words;
    return invites ? "" : this.storedRun === null ? words : "kept from before";
  }

  #outputs(cell: CellView): readonly Output[] {
    if (this.storedRun === null || cell.outputs.some(({ view }) => view === "run")) return cell.outputs;
    return [...cell.outputs, { view: "run", runId: this.storedRun }];
  }
}

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
