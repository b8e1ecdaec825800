import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { CellView, NotebookSession } from "../notebook/session-types.ts";
import { agenticOutputStyles } from "./agentic-outputs.ts";
import { stateWords } from "./cell-words.ts";
import { cellStyles } from "./cell.css.ts";
import "./code-text.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { icon } from "./icons.ts";
import type { InputEvent } from "./input.ts";
import { markdown } from "./markdown.ts";
import { outputStyles, outputViews } from "./output.ts";
import { prose } from "./prose.css.ts";
import "./recorded-run.ts";
import type { RecordedRun } from "./recorded.ts";
import { base, buttons } from "./tokens.css.ts";
import type { RunCellEvent } from "./run-cell-event.ts";
import type { TrainerClient } from "./trainer-client.ts";

/**
 * `<fulgurite-reader>`: a notebook to read and to run, without an editor; what a single HTML file shows. Before the
 * person says so, it shows code and recorded results and runs nothing.
 */
export class FulguriteReader extends LitElement {
  static override properties = {
    session: { attribute: false },
    trainer: { attribute: false },
    recorded: { attribute: false },
    revision: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    outputStyles,
    agenticOutputStyles,
    prose,
    cellStyles,
    css`
      main {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 24px;
        padding-block: 24px 64px;
      }
      aside {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px 16px;
        inline-size: min(var(--column), 100% - 32px);
        margin-inline: auto;
        padding-block-end: 16px;
        border-block-end: 1px solid var(--hairline);
        font-size: var(--size-small);
        color: var(--ink-quiet);
      }
      aside p {
        flex: 1 1 280px;
        margin: 0;
      }
      .state {
        font-size: var(--size-small);
        color: var(--ink-quiet);
      }
      .run {
        display: flex;
        align-items: center;
        gap: 16px;
        margin-block-start: 8px;
      }
    `,
  ];

  declare session: NotebookSession | null;
  declare trainer: TrainerClient | null;
  declare recorded: readonly RecordedRun[];
  declare revision: number;
  readonly #onChange = (): void => {
    this.revision++;
  };

  constructor() {
    super();
    this.session = null;
    this.trainer = null;
    this.recorded = [];
    this.revision = 0;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("session")) return;
    changed.get("session")?.removeEventListener("change", this.#onChange);
    this.session?.addEventListener("change", this.#onChange);
  }

  async #allow(): Promise<void> {
    await this.session?.allow();
    await this.session?.runEager();
  }

  override render(): TemplateResult | typeof nothing {
    const { session } = this;
    if (!session) return nothing;
    const asking = session.permissions.state === "asking";
    return html`<main
      @fulgurite-input=${({ cell, label, value }: InputEvent) => session.setInput(cell, label, value)}
    >
      <aside aria-label="About this file">
        ${
          asking
            ? html`<p>
                  A notebook${this.recorded.length > 0 ? " with its recorded results" : ""}. Nothing of it
                  runs before you say so.
                </p>
                <button class="primary" @click=${() => void this.#allow()}>
                  ${icon("run")}Run this notebook
                </button>`
            : html`<p>This notebook runs here, on your own machine, and reaches no network.</p>`
        }
      </aside>
      ${session.cells.map((cell, index) => this.#cell(session, cell, index, asking))}
    </main>`;
  }

  #cell(session: NotebookSession, cell: CellView, index: number, asking: boolean): TemplateResult {
    if (cell.kind === "md") {
      return html`<section><div class="text prose">${markdown(cell.source)}</div></section>`;
    }
    const busy = cell.state.kind === "running" || cell.state.kind === "queued";
    const ran = cell.outputs.some(({ view }) => view === "run");
    const recorded = this.recorded.find((run) => run.cell === cell.id);
    const context = {
      trainer: this.trainer,
      notebook: session.id,
      cell: cell.id,
      usedBy: session.cells
        .filter(({ uses }) => uses.some((name) => cell.defines.includes(name)))
        .map(({ id }) => id),
      stale: cell.state.kind === "stale",
      recorded: this.recorded,
    };
    const act = (): void => void (busy ? session.stop(cell.id) : session.run(cell.id));
    const code = html`<fulgurite-code-text .source=${cell.source} language="ts"></fulgurite-code-text>`;
    return html`<section
      aria-label=${`Cell ${index + 1}, ${cell.id}`}
      aria-busy=${busy ? "true" : "false"}
      @fulgurite-run-cell=${({ cell: asked }: RunCellEvent) => void session.run(asked ?? cell.id)}
    >
      ${
        cell.fold || cell.hidden
          ? html`<details>
              <summary>Code of ${cell.id}</summary>
              <div class="code">${code}</div>
            </details>`
          : html`<div class="code">${code}</div>`
      }
      ${cell.state.kind === "error" ? errorNote(cell.state.error, cell.state.lineText) : nothing}
      ${
        asking ||
        (!busy && cell.state.kind !== "error" && (!cell.lazy || (ran && cell.state.kind === "done")))
          ? nothing
          : html`<div class="run">
              <button
                class=${busy ? "" : "primary"}
                aria-label=${`${busy ? "Stop" : "Run"} ${cell.id}`}
                @click=${act}
              >
                ${icon(busy ? "stop" : "run")}${busy ? "Stop" : "Run"}
              </button>
              <span class="state">${stateWords(cell.state, cell.lazy)}</span>
            </div>`
      }
      ${outputViews(cell.outputs, context)}
      ${
        recorded && !ran
          ? html`<div class="wide">
              <fulgurite-recorded-run
                .recorded=${recorded}
                .others=${this.recorded}
                ?runnable=${!asking}
              ></fulgurite-recorded-run>
            </div>`
          : nothing
      }
    </section>`;
  }
}

customElements.define("fulgurite-reader", FulguriteReader);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-reader": FulguriteReader;
  }
}
