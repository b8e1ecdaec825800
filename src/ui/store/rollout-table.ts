import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { Rollout, Run } from "../../store/records.ts";
import type { RolloutPage, RolloutPageQuery, RolloutSort } from "../../worker/rollout-index.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { formatCount, formatFigure, formatSigned, formatSpan } from "../format.ts";
import { leftOut, outcome, valueText } from "../rollout-words.ts";
import { showRollout } from "../show-rollout.ts";
import { base, buttons } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import type { StoreSource } from "./store-source.ts";

const rowHeight = 36;
/** Rows drawn beyond what is in sight. */
const overscan = 8;
const pageRows = 64;
const refreshInterval = 1000;
/** Browsers draw nothing beyond some ten million pixels: a longer table scrolls in larger steps. */
const mostPixels = 8_000_000;

interface Column {
  readonly title: string;
  readonly sort: RolloutSort | null;
  readonly figure?: boolean;
  readonly text: (rollout: Rollout) => string;
}

const columns: readonly Column[] = [
  { title: "Number", sort: "number", figure: true, text: ({ number }) => formatCount(number) },
  { title: "Task", sort: null, text: ({ task }) => valueText(task) },
  { title: "Answer", sort: null, text: ({ result }) => valueText(result) },
  { title: "Ended", sort: null, text: outcome },
  { title: "Reward", sort: "reward", figure: true, text: ({ reward }) => formatFigure(reward ?? Number.NaN) },
  { title: "Advantage", sort: "advantage", figure: true, text: ({ advantage }) => formatSigned(advantage) },
  { title: "Update", sort: "update", figure: true, text: ({ update }) => formatCount(update) },
  { title: "Attempts", sort: "attempts", figure: true, text: ({ attempts }) => formatCount(attempts) },
  {
    title: "Tokens",
    sort: "tokens",
    figure: true,
    text: ({ inputTokens, outputTokens }) => formatCount(inputTokens + outputTokens),
  },
  {
    title: "Time",
    sort: "duration",
    figure: true,
    text: ({ startTime, endTime }) => (endTime === null ? "–" : formatSpan(endTime - startTime)),
  },
];

/** What the table shows; an export of "what is shown" takes the same. */
export type RolloutFilter = Omit<RolloutPageQuery, "offset" | "limit" | "runId">;

/** `<fulgurite-rollout-table>`: all rollouts of a run, filtered and sorted; draws only the rows in sight. */
export class FulguriteRolloutTable extends LitElement {
  static override properties = {
    source: { attribute: false },
    run: { attribute: false },
    filter: { state: true },
    first: { state: true },
    total: { state: true },
    all: { state: true },
    revision: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    css`
      :host {
        display: block;
        font-size: var(--size-small);
        line-height: 20px;
      }
      .above {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px;
        padding-block: 8px;
      }
      .above p {
        margin: 0 auto 0 0;
        color: var(--ink-quiet);
        font-variant-numeric: tabular-nums;
      }
      select,
      input {
        min-block-size: 32px;
        padding: 5px 8px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--paper);
        color: var(--ink);
        font: inherit;
      }
      label {
        display: inline-flex;
        align-items: center;
        gap: 6px;
      }
      input[type="checkbox"] {
        min-block-size: 0;
        accent-color: var(--accent);
      }
      .scroll {
        block-size: min(62dvh, 720px);
        overflow: auto;
        overscroll-behavior: contain;
        overflow-anchor: none;
        border-block: 1px solid var(--hairline);
      }
      table {
        inline-size: 100%;
        min-inline-size: 860px;
        border-collapse: collapse;
        table-layout: fixed;
        font-variant-numeric: tabular-nums;
      }
      th {
        position: sticky;
        inset-block-start: 0;
        z-index: 1;
        background: var(--paper);
        color: var(--ink-quiet);
        font-weight: 400;
        text-align: start;
      }
      th,
      td {
        block-size: ${rowHeight}px;
        padding: 0 8px;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      tr.row td {
        border-block-start: 1px solid var(--hairline);
      }
      tr.group td {
        border-block-start-color: var(--ink-faint);
      }
      tr.row:hover td {
        background: var(--surface);
      }
      tr.row {
        cursor: pointer;
      }
      .figure {
        text-align: end;
      }
      .text {
        font-family: var(--font-code);
      }
      .failed {
        color: var(--error);
      }
      th button.bare,
      td button.bare {
        min-block-size: 28px;
        padding: 4px 0;
        border: 0;
        background: none;
        color: inherit;
        font-weight: inherit;
        line-height: 20px;
      }
      th[aria-sort] button.bare {
        color: var(--ink);
        font-weight: 600;
      }
      .space td {
        padding: 0;
        block-size: auto;
        border: 0;
      }
    `,
  ];

  declare source: StoreSource | null;
  declare run: Run | null;
  declare filter: RolloutFilter;
  /** First row in sight. */
  declare first: number;
  declare total: number;
  declare all: number;
  declare revision: number;
  declare failure: ErrorData | null;
  /** Pages by their number, of the present filter. */
  #pages = new Map<number, readonly Rollout[]>();
  #reading = new Set<number>();
  #generation = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.source = null;
    this.run = null;
    this.filter = { sortBy: "number", descending: true, siblings: false };
    this.first = 0;
    this.total = 0;
    this.all = 0;
    this.revision = 0;
    this.failure = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => {
      if (document.visibilityState === "visible") this.#refresh();
    }, refreshInterval);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("run") && !changed.has("filter") && !changed.has("source")) return;
    this.#generation++;
    this.#pages.clear();
    this.#reading.clear();
    this.first = 0;
    this.total = 0;
    this.failure = null;
    this.renderRoot.querySelector(".scroll")?.scrollTo(0, 0);
    void this.#read(0);
  }

  /** Rows in sight. */
  get #sight(): number {
    return Math.ceil((this.renderRoot.querySelector(".scroll")?.clientHeight ?? 720) / rowHeight);
  }

  /** What is in sight may have changed: a running run makes rollouts. */
  #refresh(): void {
    if (this.run?.status !== "running" && this.total > 0) return;
    const page = Math.floor(this.first / pageRows);
    for (const number of this.#pages.keys()) if (Math.abs(number - page) > 1) this.#pages.delete(number);
    void this.#read(page);
  }

  async #read(page: number): Promise<void> {
    const { source, run } = this;
    if (!source || !run || this.#reading.has(page)) return;
    this.#reading.add(page);
    const generation = this.#generation;
    try {
      const query = { ...this.filter, runId: run.id, offset: page * pageRows, limit: pageRows };
      const found: RolloutPage = await source.rolloutPage(query);
      if (generation !== this.#generation) return;
      this.#pages.set(page, found.items);
      this.total = found.total;
      this.all = found.all;
      this.failure = null;
    } catch (error) {
      if (generation === this.#generation) this.failure = asError(error).toData();
    } finally {
      if (generation === this.#generation) this.#reading.delete(page);
      this.revision++;
    }
  }

  #rollout(row: number): Rollout | null {
    const page = Math.floor(row / pageRows);
    const items = this.#pages.get(page);
    if (!items) void this.#read(page);
    return items?.[row % pageRows] ?? null;
  }

  /** Pixels of the rows above one; a very long table is scaled. */
  get #scale(): number {
    return Math.min(1, mostPixels / Math.max(1, this.total * rowHeight));
  }

  #scrolled(event: Event): void {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget as HTMLElement;
    const last = Math.max(0, this.total - this.#sight + 1);
    const share = scrollHeight > clientHeight ? scrollTop / (scrollHeight - clientHeight) : 0;
    this.first =
      this.#scale < 1 ? Math.round(share * last) : Math.min(last, Math.floor(scrollTop / rowHeight));
  }

  #change(change: Partial<RolloutFilter>): void {
    this.filter = { ...this.filter, ...change };
  }

  #sort(sortBy: RolloutSort): void {
    const { sortBy: before, descending } = this.filter;
    this.#change({ sortBy, descending: before === sortBy ? !descending : sortBy !== "number" });
  }

  override render(): TemplateResult {
    const { total, all } = this;
    const count =
      total === all
        ? `${formatCount(all)} rollouts`
        : `${formatCount(total)} of ${formatCount(all)} rollouts`;
    return html`<div class="above">
        <p aria-live="polite">${all === 0 ? "No rollouts." : `${count}.`}</p>
        <input
          type="search"
          placeholder="Find in task or answer"
          aria-label="Find in task or answer"
          @input=${(event: Event) => {
            this.#change({ text: (event.target as HTMLInputElement).value });
          }}
        />
        <select
          aria-label="Which rollouts"
          @change=${(event: Event) => {
            const { value } = event.target as HTMLSelectElement;
            this.#change({ mode: value === "" ? undefined : (value as Rollout["mode"]) });
          }}
        >
          <option value="">Training and evaluation</option>
          <option value="train">Training</option>
          <option value="evaluation">Evaluation</option>
        </select>
        <select
          aria-label="How they ended"
          @change=${(event: Event) => {
            const { value } = event.target as HTMLSelectElement;
            this.#change({ status: value === "" ? undefined : (value as Rollout["status"]) });
          }}
        >
          <option value="">However they ended</option>
          <option value="succeeded">Done</option>
          <option value="failed">Failed</option>
          <option value="timeout">Timed out</option>
          <option value="cancelled">Stopped</option>
        </select>
        <label
          ><input
            type="checkbox"
            .checked=${this.filter.siblings ?? false}
            @change=${(event: Event) => {
              this.#change({ siblings: (event.target as HTMLInputElement).checked });
            }}
          />Siblings together</label
        >
      </div>
      ${this.failure ? errorNote(this.failure) : nothing} ${this.#table()}
      <fulgurite-rollout-dialog .source=${this.source} .run=${this.run}></fulgurite-rollout-dialog>`;
  }

  #table(): TemplateResult {
    const { total } = this;
    const start = Math.max(0, this.first - overscan);
    const end = Math.min(total, this.first + this.#sight + overscan);
    const height = Math.round(total * rowHeight * this.#scale);
    const drawn = (end - start) * rowHeight;
    const above =
      this.#scale < 1
        ? Math.round((total > drawn / rowHeight ? start / (total - drawn / rowHeight) : 0) * (height - drawn))
        : start * rowHeight;
    return html`<div
      class="scroll"
      tabindex="0"
      role="region"
      aria-label="Rollouts"
      @scroll=${this.#scrolled}
    >
      <table aria-rowcount=${total + 1}>
        <thead>
          <tr>
            ${columns.map((column) => this.#head(column))}
          </tr>
        </thead>
        <tbody>
          <tr class="space" aria-hidden="true">
            <td colspan=${columns.length} style=${`height: ${above}px`}></td>
          </tr>
          ${Array.from({ length: end - start }, (_, i) => this.#row(start + i))}
          <tr class="space" aria-hidden="true">
            <td colspan=${columns.length} style=${`height: ${Math.max(0, height - above - drawn)}px`}></td>
          </tr>
        </tbody>
      </table>
    </div>`;
  }

  #head({ title, sort, figure }: Column): TemplateResult {
    const { sortBy, descending } = this.filter;
    const order = sort !== null && sort === sortBy ? (descending ? "descending" : "ascending") : nothing;
    return html`<th scope="col" class=${figure ? "figure" : ""} aria-sort=${order}>
      ${
        sort === null
          ? title
          : html`<button
              class="bare"
              @click=${() => {
                this.#sort(sort);
              }}
            >
              ${title}${order === nothing ? "" : descending ? " ↓" : " ↑"}
            </button>`
      }
    </th>`;
  }

  #row(row: number): TemplateResult {
    const rollout = this.#rollout(row);
    if (!rollout)
      return html`<tr class="row">
        <td colspan=${columns.length}>…</td>
      </tr>`;
    const open = (): void => {
      void showRollout(this.renderRoot, rollout);
    };
    const before = this.filter.siblings === true && row > 0 ? this.#rollout(row - 1) : null;
    const newGroup = before !== null && (before.group !== rollout.group || before.mode !== rollout.mode);
    return html`<tr class=${`row ${newGroup ? "group" : ""}`} aria-rowindex=${row + 2} @click=${open}>
      ${columns.map(({ title, figure, text }, i) => {
        const shown = text(rollout);
        const wrong = title === "Ended" && leftOut(rollout);
        const kind = figure ? "figure" : wrong ? "failed" : title === "Ended" ? "" : "text";
        return html`<td class=${kind} title=${figure ? nothing : shown}>
          ${i === 0 ? html`<button class="bare" aria-label=${`Rollout ${shown}`}>${shown}</button>` : shown}
        </td>`;
      })}
    </tr>`;
  }
}

customElements.define("fulgurite-rollout-table", FulguriteRolloutTable);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-rollout-table": FulguriteRolloutTable;
  }
}
