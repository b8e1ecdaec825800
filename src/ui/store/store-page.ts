import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { Run } from "../../store/records.ts";
import type { ExportFormat } from "../../worker/export-run.ts";
import type { ImportReport } from "../../worker/import-run.ts";
import { download } from "../download.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { counted, formatCount, formatDateTime } from "../format.ts";
import { icon } from "../icons.ts";
import { base, buttons, fields } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import "./resources-view.ts";
import { FollowStore } from "./follow-store.ts";
import type { FulguriteRolloutTable } from "./rollout-table.ts";
import "./rollout-table.ts";
import type { StoreSource } from "./store-source.ts";
import "./problem-list.ts";
import "./usage-view.ts";
import "./workers-view.ts";
import { openedWords, workspaceEnding } from "./workspace-files.ts";

const tabs = {
  rollouts: "Rollouts",
  resources: "Resources",
  workers: "Workers",
  usage: "Usage",
} as const;
type Tab = keyof typeof tabs;
/** Which rollouts an export takes. */
type Which = "all" | "shown" | "selected";

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

/** `<fulgurite-store>`: everything that is kept, over the page: rollouts, resources and usage of each run, and workers. */
export class FulguriteStore extends LitElement {
  static override properties = {
    source: { attribute: false },
    back: {},
    runs: { state: true },
    runId: { state: true },
    tab: { state: true },
    busy: { state: true },
    selected: { state: true },
    imported: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    fields,
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
      @media (max-width: 559px) {
        h2 {
          margin-inline-end: auto;
        }
        [role="tablist"] {
          order: 1;
          inline-size: 100%;
        }
        [role="tab"] {
          padding-inline: 8px;
        }
      }
      .which {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        align-items: center;
        padding-block: 16px 0;
        font-size: var(--size-small);
      }
      label.button {
        display: inline-flex;
        align-items: center;
        min-block-size: 32px;
        padding: 7px 12px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        font: 500 var(--size-small) / 16px var(--font-text);
        cursor: pointer;
      }
      label.button:hover {
        border-color: var(--ink-faint);
        background: var(--surface);
      }
      label.button:focus-within {
        outline: 2px solid var(--accent);
        outline-offset: 2px;
      }
      p {
        color: var(--ink-quiet);
        font-size: var(--size-small);
        line-height: 24px;
      }
      [role="status"] p {
        display: flex;
        align-items: center;
        gap: 8px;
        margin: 8px 0 0;
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
  /** How many rollouts were picked in the table. */
  declare selected: number;
  /** What the last import brought, and the run that it made. */
  declare imported: { readonly words: string; readonly runId: string } | null;
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.source = null;
    this.back = location.pathname + location.search;
    this.runs = null;
    this.runId = "";
    this.tab = "rollouts";
    this.busy = false;
    this.selected = 0;
    this.imported = null;
    this.failure = null;
    new FollowStore(
      this,
      ({ kinds }) => kinds.includes("runs"),
      () => void this.#read(),
    );
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

  async #export(format: ExportFormat, which: Which): Promise<void> {
    const { source, runId } = this;
    if (!source) return;
    this.busy = true;
    this.failure = null;
    try {
      const numbers = await this.#numbers(source, which);
      const { name, type, bytes } = await source.exportRun({ runId, format, numbers });
      download(bytes, name, type);
    } catch (error) {
      this.failure = asError(error).toData();
    } finally {
      this.busy = false;
    }
  }

  async #import(event: Event): Promise<void> {
    const input = event.target as HTMLInputElement;
    const [file] = input.files ?? [];
    if (!file || !this.source) return;
    this.busy = true;
    this.failure = null;
    this.imported = null;
    try {
      const imported = file.name.endsWith(workspaceEnding)
        ? await this.#open(this.source, file)
        : await this.#take(this.source, file);
      await this.#read();
      this.runId = imported.runId;
      this.imported = imported;
      this.tab = "rollouts";
    } catch (error) {
      this.failure = asError(error).toData();
    } finally {
      this.busy = false;
      input.value = "";
    }
  }

  /** Takes over a saved workspace; the run to show. */
  async #open(source: StoreSource, file: File): Promise<NonNullable<FulguriteStore["imported"]>> {
    const opened = await source.openWorkspace(file);
    return { words: openedWords(opened), runId: opened.runs.at(-1) ?? this.runId };
  }

  /** Imports any other file; the run to show. */
  async #take(source: StoreSource, file: File): Promise<NonNullable<FulguriteStore["imported"]>> {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const report = await source.importRun({ name: file.name, bytes });
    return { words: importWords(report), runId: report.runId };
  }

  /** Numbers of the rollouts to export; null for all of the run. */
  async #numbers(source: StoreSource, which: Which): Promise<readonly number[] | null> {
    if (which === "all") return null;
    const table = this.renderRoot.querySelector("fulgurite-rollout-table");
    if (which === "selected") return [...(table?.selected ?? [])];
    const filter = table?.filter ?? {};
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
        <label class="button"
          >${this.busy ? "Working…" : "Import…"}
          <input
            class="visually-hidden"
            type="file"
            ?disabled=${this.busy}
            @change=${(event: Event) => void this.#import(event)}
          />
        </label>
        <form method="dialog"><button class="bare" aria-label="Close">${icon("close")}</button></form>
      </div>
      ${this.failure ? errorNote(this.failure) : nothing}
      <fulgurite-store-problems .source=${this.source}></fulgurite-store-problems>
      ${run && this.tab !== "usage" && this.tab !== "workers" ? this.#which(run, runs ?? []) : nothing}
      <div role="status">${this.#importNote()}</div>
      <div id="panel" role="tabpanel" aria-labelledby=${`tab-${this.tab}`}>${this.#panel(run, runs)}</div>
    </dialog>`;
  }

  /** Beside the run that the import made, until it is put away. */
  #importNote(): TemplateResult | typeof nothing {
    const { imported } = this;
    if (!imported || imported.runId !== this.runId || this.tab !== "rollouts") return nothing;
    return html`<p>
      ${imported.words}
      <button class="bare" aria-label="Put this note away" @click=${() => (this.imported = null)}>
        ${icon("close")}
      </button>
    </p>`;
  }

  #tab(tab: Tab, title: string): TemplateResult {
    return html`<button
      role="tab"
      id=${`tab-${tab}`}
      aria-controls="panel"
      aria-selected=${this.tab === tab ? "true" : "false"}
      tabindex=${this.tab === tab ? 0 : -1}
      @keydown=${this.#onKey}
      @click=${() => (this.tab = tab)}
    >
      ${title}
    </button>`;
  }

  /** Arrows go from tab to tab. */
  #onKey(event: KeyboardEvent): void {
    const names = Object.keys(tabs) as Tab[];
    const steps: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowLeft: -1 };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.tab = names[(names.indexOf(this.tab) + step + names.length) % names.length]!;
    this.renderRoot.querySelector<HTMLElement>(`#tab-${this.tab}`)?.focus();
  }

  #panel(run: Run | null, runs: readonly Run[] | null): TemplateResult {
    const { source, tab } = this;
    if (tab === "workers") return html`<fulgurite-workers .source=${source}></fulgurite-workers>`;
    if (tab === "usage") {
      return html`<fulgurite-usage
        .source=${source}
        .runs=${runs ?? []}
        @fulgurite-deleted=${() => this.#read()}
      ></fulgurite-usage>`;
    }
    if (!runs) return html`<p aria-busy="true">Reading…</p>`;
    if (!run) return html`<p>Nothing is kept yet. Run a training cell, and come back.</p>`;
    if (tab === "resources")
      return html`<fulgurite-resources .source=${source} .run=${run} .runs=${runs}></fulgurite-resources>`;
    return html`<fulgurite-rollout-table
      .source=${source}
      .run=${run}
      @fulgurite-selected=${(event: Event) => {
        this.selected = (event.target as FulguriteRolloutTable).selected.size;
      }}
    ></fulgurite-rollout-table>`;
  }

  #which(run: Run, runs: readonly Run[]): TemplateResult {
    const choose = (event: Event): void => {
      const select = event.target as HTMLSelectElement;
      const [format, which = "all"] = select.value.split(" ");
      select.value = "";
      if (format) void this.#export(format as ExportFormat, which as Which);
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
              ${name}, ${status}, ${formatDateTime(createdAt)}
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
            ? html`${this.#part("The rollouts that are shown", "shown")}
              ${this.selected > 0 ? this.#part(`The ${formatCount(this.selected)} selected`, "selected") : nothing}`
            : nothing
        }
      </select>
    </div>`;
  }

  #part(label: string, which: Which): TemplateResult {
    return html`<optgroup label=${label}>
      ${formats
        .slice(1)
        .map(([format, title]) => html`<option value=${`${format} ${which}`}>${title}</option>`)}
    </optgroup>`;
  }
}

function importWords({ rollouts, spans, problems, callsWithoutTokens }: ImportReport): string {
  const [first] = problems;
  const words = [`Imported ${counted(rollouts, "rollout")} and ${counted(spans, "span")}.`];
  if (callsWithoutTokens > 0) {
    const calls = counted(callsWithoutTokens, "model call");
    words.push(
      `${calls} came without token ids: ${callsWithoutTokens === 1 ? "it" : "they"} can be read, not trained on.`,
    );
  }
  if (first) {
    const rest = problems.length === 1 ? ": " : "; the first: ";
    words.push(`${counted(problems.length, "part")} could not be read${rest}${first.message}`);
  }
  return words.join(" ");
}

customElements.define("fulgurite-store", FulguriteStore);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-store": FulguriteStore;
  }
}
