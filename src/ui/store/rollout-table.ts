import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { Rollout, Run } from "../../store/records.ts";
import type { RolloutPage, RolloutPageQuery, RolloutSort } from "../../worker/rollout-index.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { counted, formatCount } from "../format.ts";
import { isUnderWay, leftOut } from "../rollout-words.ts";
import { showRollout } from "../show-rollout.ts";
import { base, buttons, fields } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import { ROW_HEIGHT, virtualTableStyles } from "../virtual-table.css.ts";
import { FollowStore } from "./follow-store.ts";
import { rolloutColumns as columns, rolloutStates as states, type RolloutColumn } from "./rollout-columns.ts";
import type { StoreSource } from "./store-source.ts";
import "./sure-button.ts";

/** Rows drawn beyond what is in sight. */
const overscan = 8;
const pageRows = 64;
/** Browsers draw nothing beyond some ten million pixels: a longer table scrolls in larger steps. */
const mostPixels = 8_000_000;

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
    unsearched: { state: true },
    revision: { state: true },
    failure: { state: true },
    selected: { state: true },
  };

  static override styles = [
    base,
    buttons,
    fields,
    errorNoteStyles,
    virtualTableStyles,
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
        padding-block-start: 8px;
      }
      .above input[type="search"] {
        flex: 1 1 200px;
        max-inline-size: 280px;
      }
      .count {
        display: flex;
        align-items: center;
        gap: 8px;
        min-block-size: 40px;
      }
      .count p {
        margin: 0 auto 0 0;
        color: var(--ink-quiet);
        font-variant-numeric: tabular-nums;
      }
      .count :is(p, button) {
        white-space: nowrap;
      }
      .count p {
        min-inline-size: 0;
        overflow: hidden;
        text-overflow: ellipsis;
      }
      label {
        display: inline-flex;
        align-items: center;
        gap: 6px;
      }
      .scroll {
        block-size: min(62dvh, 720px);
      }
      table {
        min-inline-size: 1000px;
      }
      tbody tr.group {
        border-block-start: 1px solid var(--ink-faint);
      }
      .pick {
        inline-size: 36px;
        text-align: center;
      }
      th button.bare {
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
    `,
  ];

  declare source: StoreSource | null;
  declare run: Run | null;
  declare filter: RolloutFilter;
  /** First row in sight. */
  declare first: number;
  declare total: number;
  declare all: number;
  /** Rollouts whose long texts are still to be looked through. */
  declare unsearched: number;
  declare revision: number;
  declare failure: ErrorData | null;
  /** Numbers of the rollouts that were picked. Changes dispatch "fulgurite-selected". */
  declare selected: ReadonlySet<number>;
  /** Pages by their number, of the present filter. */
  #pages = new Map<number, readonly Rollout[]>();
  #reading = new Set<number>();
  #generation = 0;
  constructor() {
    super();
    this.source = null;
    this.run = null;
    this.filter = { sortBy: "number", descending: true, siblings: false };
    this.first = 0;
    this.total = 0;
    this.all = 0;
    this.unsearched = 0;
    this.revision = 0;
    this.failure = null;
    this.selected = new Set();
    new FollowStore(
      this,
      ({ runId, kinds }) => runId === this.run?.id && kinds.includes("rollouts"),
      () => {
        this.#refresh();
      },
    );
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const { run } = this;
    if (changed.has("run") && changed.get("run")?.id !== run?.id) this.#select(new Set());
    // A run's row changes as it runs, and its rollouts are followed.
    const sameRun = changed.get("run")?.id === run?.id;
    if ((!changed.has("run") || sameRun) && !changed.has("filter") && !changed.has("source")) return;
    this.#generation++;
    this.#pages.clear();
    this.#reading.clear();
    this.first = 0;
    this.total = 0;
    this.unsearched = 0;
    this.failure = null;
    this.renderRoot.querySelector(".scroll")?.scrollTo(0, 0);
    void this.#read(0);
  }

  /** Rows in sight. */
  get #sight(): number {
    return Math.ceil((this.renderRoot.querySelector(".scroll")?.clientHeight ?? 720) / ROW_HEIGHT);
  }

  /** What is in sight may have changed. */
  #refresh(): void {
    const page = Math.floor(this.first / pageRows);
    for (const number of this.#pages.keys()) {
      if (Math.abs(number - page) > 1) this.#pages.delete(number);
      else void this.#read(number);
    }
    if (this.#pages.size === 0) void this.#read(page);
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
      this.unsearched = found.unsearched ?? 0;
      this.failure = null;
    } catch (error) {
      if (generation === this.#generation) this.failure = asError(error).toData();
    } finally {
      if (generation === this.#generation) {
        this.#reading.delete(page);
        // Each page that is asked for looks further.
        if (this.unsearched > 0 && this.failure === null && this.isConnected) void this.#read(page);
      }
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
    return Math.min(1, mostPixels / Math.max(1, this.total * ROW_HEIGHT));
  }

  #scrolled(event: Event): void {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget as HTMLElement;
    const last = Math.max(0, this.total - this.#sight + 1);
    const share = scrollHeight > clientHeight ? scrollTop / (scrollHeight - clientHeight) : 0;
    this.first =
      this.#scale < 1 ? Math.round(share * last) : Math.min(last, Math.floor(scrollTop / ROW_HEIGHT));
  }

  #select(selected: ReadonlySet<number>): void {
    if (selected.size === 0 && this.selected.size === 0) return;
    this.selected = selected;
    this.dispatchEvent(new Event("fulgurite-selected"));
  }

  async #delete(): Promise<void> {
    const { source, run, selected } = this;
    if (!source || !run) return;
    try {
      await source.deleteRollouts(run.id, [...selected]);
      this.#select(new Set());
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  #pick(number: number): void {
    const selected = new Set(this.selected);
    if (!selected.delete(number)) selected.add(number);
    this.#select(selected);
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
      total === all ? counted(all, "rollout") : `${formatCount(total)} of ${counted(all, "rollout")}`;
    return html`<div class="above">
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
          aria-label="State"
          @change=${(event: Event) => {
            this.#change({ status: states[(event.target as HTMLSelectElement).value]?.[1] });
          }}
        >
          <option value="">Any state</option>
          ${Object.entries(states).map(([value, [title]]) => html`<option value=${value}>${title}</option>`)}
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
      <div class="count">
        <p aria-live="polite">
          ${all === 0 ? "No rollouts." : `${count}.`}
          ${this.unsearched > 0 ? `Looking through ${formatCount(this.unsearched)} older ones…` : nothing}
        </p>
        ${
          this.selected.size === 0
            ? nothing
            : html`<button
                  @click=${() => {
                    this.#select(new Set());
                  }}
                >
                  Clear ${formatCount(this.selected.size)} selected
                </button>
                <fulgurite-sure-button
                  label="Delete them"
                  .question=${`Delete ${formatCount(this.selected.size)} for good?`}
                  @fulgurite-sure=${this.#delete}
                ></fulgurite-sure-button>`
        }
      </div>
      ${this.failure ? errorNote(this.failure) : nothing} ${this.#table()}
      <fulgurite-rollout-dialog .source=${this.source} .run=${this.run}></fulgurite-rollout-dialog>`;
  }

  #table(): TemplateResult {
    const { total } = this;
    const start = Math.max(0, this.first - overscan);
    const end = Math.min(total, this.first + this.#sight + overscan);
    const height = Math.round(total * ROW_HEIGHT * this.#scale);
    const drawn = (end - start) * ROW_HEIGHT;
    const above =
      this.#scale < 1
        ? Math.round(
            (total > drawn / ROW_HEIGHT ? start / (total - drawn / ROW_HEIGHT) : 0) * (height - drawn),
          )
        : start * ROW_HEIGHT;
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
            <th scope="col" class="pick"><span class="visually-hidden">Selected</span></th>
            ${columns.map((column) => this.#head(column))}
          </tr>
        </thead>
        <tbody>
          <tr class="spacer" aria-hidden="true">
            <td colspan=${columns.length + 1} style=${`height: ${above}px`}></td>
          </tr>
          ${Array.from({ length: end - start }, (_, i) => this.#row(start + i))}
          <tr class="spacer" aria-hidden="true">
            <td
              colspan=${columns.length + 1}
              style=${`height: ${Math.max(0, height - above - drawn)}px`}
            ></td>
          </tr>
        </tbody>
      </table>
    </div>`;
  }

  #head({ title, sort, figure, width }: RolloutColumn): TemplateResult {
    const { sortBy, descending } = this.filter;
    const order = sort !== null && sort === sortBy ? (descending ? "descending" : "ascending") : nothing;
    return html`<th
      scope="col"
      class=${figure ? "end" : ""}
      style=${width === undefined ? nothing : `inline-size: ${width}px`}
      aria-sort=${order}
    >
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
        <td colspan=${columns.length + 1}>…</td>
      </tr>`;
    const open = (): void => {
      void showRollout(this.renderRoot, rollout);
    };
    const before = this.filter.siblings === true && row > 0 ? this.#rollout(row - 1) : null;
    const newGroup =
      before !== null &&
      (["group", "mode", "update"] as const).some((field) => before[field] !== rollout[field]);
    return html`<tr class=${`row ${newGroup ? "group" : ""}`} aria-rowindex=${row + 2} @click=${open}>
      <td
        class="pick"
        @click=${(event: Event) => {
          event.stopPropagation();
        }}
      >
        <input
          type="checkbox"
          aria-label=${`Select rollout ${formatCount(rollout.number)}`}
          .checked=${this.selected.has(rollout.number)}
          @change=${() => {
            this.#pick(rollout.number);
          }}
        />
      </td>
      ${columns.map(({ title, figure, text }, i) => {
        const shown = text(rollout);
        const isState = title === "State";
        const wrong = isState && leftOut(rollout) && !isUnderWay(rollout);
        const kind = figure ? "end" : wrong ? "failed" : isState ? "" : "text";
        return html`<td class=${kind} title=${figure ? nothing : shown}>
          ${i === 0 ? html`<button class="bare open" aria-label=${`Rollout ${shown}`}>${shown}</button>` : shown}
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
