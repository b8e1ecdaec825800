import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { Run } from "../../store/records.ts";
import type { ExportFormat } from "../../worker/export-run.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { icon } from "../icons.ts";
import { base, buttons } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import "./resources-view.ts";
import "./rollout-table.ts";
import type { StoreSource } from "./store-source.ts";
import "./usage-view.ts";

const tabs = { rollouts: "Rollouts", resources: "Resources", usage: "Usage" } as const;
type Tab = keyof typeof tabs;

const formats: readonly (readonly [ExportFormat, string])[] = [
  ["archive", "Whole run (zip)"],
  ["arrow", "Spans (Arrow)"],
  ["jsonl", "Rollouts and spans (JSON lines)"],
  ["otlp-json", "OpenTelemetry (JSON)"],
  ["otlp-protobuf", "Agent Lightning (OTLP protobuf)"],
  ["otlp-observability", "Observability (OTLP, no tokens)"],
  ["fine-tuning", "Fine-tuning (OpenAI JSON lines)"],
];
/** An export of what is shown asks for this many rollouts at a time. */
const chunk = 5000;

/** `<fulgurite-store>`: everything that is kept, over the page: rollouts, resources and usage of each run. */
export class FulguriteStore extends LitElement {
  static override properties = {
    source: { attribute: false },
    back: {},
    runs: { state: true },
    runId: { state: true },
    tab: { state: true },
    busy: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    css`
      dialog {
        inline-size: 100vw;
        max-inline-size: none;
        block-size: 100dvh;
        max-block-size: none;
        margin: 0;
        padding: 0 max(16px, calc((100vw - var(--wide)) / 2)) 48px;
        border: 0;
        background: var(--paper);
        color: var(--ink);
      }
      .head {
        position: sticky;
        inset-block-start: 0;
        z-index: 2;
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 16px;
        min-block-size: 56px;
        padding-block: 8px;
        background: var(--paper);
        border-block-end: 1px solid var(--hairline);
      }
      h2 {
        margin: 0;
        font: 650 1rem / 24px var(--font-text);
      }
      [role="tablist"] {
        display: flex;
        gap: 4px;
        margin-inline-end: auto;
      }
      [role="tab"] {
        border-color: transparent;
        color: var(--ink-quiet);
      }
      [role="tab"][aria-selected="true"] {
        color: var(--ink);
        font-weight: 650;
        background: var(--surface);
      }
      .which {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        align-items: center;
        padding-block: 16px 0;
        font-size: var(--size-small);
      }
      select {
        max-inline-size: 100%;
        min-block-size: 32px;
        padding: 5px 8px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--paper);
      }
      p {
        color: var(--ink-quiet);
      }
    `,
  ];

  declare source: StoreSource | null;
  /** The address to go back to. */
  declare back: string;
  declare runs: readonly Run[] | null;
  declare runId: string;
  declare tab: Tab;
  declare busy: boolean;
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.source = null;
    this.back = location.pathname + location.search;
    this.runs = null;
    this.runId = "";
    this.tab = "rollouts";
    this.busy = false;
    this.failure = null;
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector("dialog")?.showModal();
    void this.#read();
  }

  async #read(): Promise<void> {
    try {
      const runs = (await this.source?.runs({})) ?? [];
      this.runs = runs;
      if (!runs.some(({ id }) => id === this.runId)) {
        this.runId = (runs.find(({ kind }) => kind !== "simulated") ?? runs[0])?.id ?? "";
      }
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  async #export(format: ExportFormat, shownOnly: boolean): Promise<void> {
    const { source, runId } = this;
    if (!source) return;
    this.busy = true;
    this.failure = null;
    try {
      const numbers = shownOnly ? await this.#shownNumbers(source) : null;
      const { name, type, bytes } = await source.exportRun({ runId, format, numbers });
      const url = URL.createObjectURL(new Blob([bytes], { type }));
      const link = document.createElement("a");
      link.href = url;
      link.download = name;
      link.click();
      // The download has its own hold on the file once it has begun.
      setTimeout(() => {
        URL.revokeObjectURL(url);
      }, 10_000);
    } catch (error) {
      this.failure = asError(error).toData();
    } finally {
      this.busy = false;
    }
  }

  async #shownNumbers(source: StoreSource): Promise<number[]> {
    const filter = this.renderRoot.querySelector("fulgurite-rollout-table")?.filter ?? {};
    const numbers: number[] = [];
    for (;;) {
      const query = { ...filter, runId: this.runId, offset: numbers.length, limit: chunk };
      const { items, total } = await source.rolloutPage(query);
      numbers.push(...items.map(({ number }) => number));
      if (items.length === 0 || numbers.length >= total) return numbers;
    }
  }

  override render(): TemplateResult {
    const { runs } = this;
    const run = runs?.find(({ id }) => id === this.runId) ?? null;
    return html`<dialog
      aria-labelledby="title"
      @close=${(event: Event) => {
        if (event.target !== this.renderRoot.querySelector("dialog")) return;
        this.remove();
        history.replaceState(null, "", this.back);
      }}
    >
      <div class="head">
        <h2 id="title">Store</h2>
        <div role="tablist" aria-label="What is kept">
          ${Object.entries(tabs).map(([tab, title]) => this.#tab(tab as Tab, title))}
        </div>
        <form method="dialog"><button class="bare" aria-label="Close">${icon("close")}</button></form>
      </div>
      ${this.failure ? errorNote(this.failure) : nothing}
      ${runs === null ? html`<p aria-busy="true">Reading…</p>` : nothing}
      ${runs?.length === 0 ? html`<p>Nothing is kept yet. Run a training cell, and come back.</p>` : nothing}
      ${run ? this.#content(run, runs ?? []) : nothing}
    </dialog>`;
  }

  #tab(tab: Tab, title: string): TemplateResult {
    return html`<button
      role="tab"
      id=${`tab-${tab}`}
      aria-controls="panel"
      aria-selected=${this.tab === tab ? "true" : "false"}
      @click=${() => (this.tab = tab)}
    >
      ${title}
    </button>`;
  }

  #content(run: Run, runs: readonly Run[]): TemplateResult {
    const { source, tab } = this;
    return html`${tab === "usage" ? nothing : this.#which(run, runs)}
      <div id="panel" role="tabpanel" aria-labelledby=${`tab-${tab}`}>
        ${
          tab === "rollouts"
            ? html`<fulgurite-rollout-table .source=${source} .run=${run}></fulgurite-rollout-table>`
            : tab === "resources"
              ? html`<fulgurite-resources .run=${run} .runs=${runs}></fulgurite-resources>`
              : html`<fulgurite-usage
                  .source=${source}
                  @fulgurite-deleted=${() => this.#read()}
                ></fulgurite-usage>`
        }
      </div>`;
  }

  #which(run: Run, runs: readonly Run[]): TemplateResult {
    const choose = (event: Event): void => {
      const select = event.target as HTMLSelectElement;
      const [format, shown] = select.value.split(" ");
      select.value = "";
      if (format) void this.#export(format as ExportFormat, shown === "shown");
    };
    return html`<div class="which">
      <select
        aria-label="Run"
        @change=${(event: Event) => {
          this.runId = (event.target as HTMLSelectElement).value;
        }}
      >
        ${runs.map(
          ({ id, name, status, createdAt }) =>
            html`<option value=${id} ?selected=${id === run.id}>
              ${name}, ${status}, ${new Date(createdAt).toLocaleString()}
            </option>`,
        )}
      </select>
      <select aria-label="Export" ?disabled=${this.busy} @change=${choose}>
        <option value="">${this.busy ? "Writing the file…" : "Export…"}</option>
        <optgroup label="All of the run">
          ${formats.map(([format, title]) => html`<option value=${format}>${title}</option>`)}
        </optgroup>
        ${
          this.tab === "rollouts"
            ? html`<optgroup label="The rollouts that are shown">
                ${formats.slice(1).map(([format, title]) => html`<option value=${`${format} shown`}>${title}</option>`)}
              </optgroup>`
            : nothing
        }
      </select>
    </div>`;
  }
}

customElements.define("fulgurite-store", FulguriteStore);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-store": FulguriteStore;
  }
}
