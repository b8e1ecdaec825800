import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { TableColumn, TableData } from "../notebook/table-data.ts";
import { counted, formatCount } from "./format.ts";
import { download } from "./download.ts";
import { base, buttons } from "./tokens.css.ts";
import { tableToCsv } from "./table-export.ts";

const ROW_PX = 24;
/** Browsers stop short of taller elements (Chromium at 33 million pixels, Firefox at 17.8). */
const MAX_HEIGHT_PX = 8_000_000;
const VIEW_PX = 360;
const SPARE_ROWS = 6;

/**
 * `<fulgurite-table>`: rows of data, however many: only those in sight are elements. Sorts by a column, filters by a
 * text, saves as CSV or Arrow.
 */
export class FulguriteTable extends LitElement {
  static override properties = {
    name: {},
    table: { attribute: false },
    top: { state: true },
    sortedBy: { state: true },
    descending: { state: true },
    filter: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        font-size: var(--size-small);
      }
      .bar {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px;
        margin-block-end: 8px;
        color: var(--ink-quiet);
      }
      .bar b {
        color: var(--ink);
        font-weight: 600;
      }
      .space {
        flex: 1;
      }
      input {
        inline-size: 160px;
        min-block-size: 28px;
        padding: 3px 8px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--paper);
        color: var(--ink);
        font: inherit;
      }
      .scroller {
        max-block-size: ${VIEW_PX}px;
        overflow: auto;
        border-block: 1px solid var(--hairline);
        overflow-anchor: none;
      }
      table {
        inline-size: 100%;
        border-spacing: 0;
        font-variant-numeric: tabular-nums;
        line-height: ${ROW_PX - 1}px;
      }
      th {
        position: sticky;
        inset-block-start: 0;
        background: var(--paper);
        border-block-end: 1px solid var(--hairline);
        text-align: start;
        font-weight: 600;
        padding: 0;
        white-space: nowrap;
      }
      th .bare {
        min-block-size: 28px;
        padding: 4px 12px 4px 4px;
        inline-size: 100%;
        justify-content: flex-start;
        border: 0;
        color: var(--ink);
        font-weight: 600;
      }
      .number button {
        justify-content: flex-end;
      }
      td {
        max-inline-size: 420px;
        padding: 0 12px 0 4px;
        border-block-end: 1px solid color-mix(in oklab, var(--hairline) 60%, transparent);
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      td.number {
        text-align: end;
      }
      @media (min-width: 640px) {
        .scroller:has(.whole) {
          max-block-size: ${2 * VIEW_PX}px;
        }
        .whole td.text {
          min-inline-size: 12ch;
          padding-block: 4px;
          line-height: 20px;
          white-space: normal;
          overflow-wrap: break-word;
        }
      }
      td.index,
      th.index {
        color: var(--ink-quiet);
        text-align: end;
        padding-inline-end: 16px;
        font-weight: 400;
      }
      .spacer {
        padding: 0;
        border: 0;
      }
    `,
  ];

  declare name: string | null;
  declare table: TableData;
  /** The first row in sight. */
  declare top: number;
  declare sortedBy: number | null;
  declare descending: boolean;
  declare filter: string;
  /** Rows in the order of the view; null for all as they come. */
  #order: Uint32Array | null = null;
  /** Pixels, when `top` was last set. */
  #scrolled = 0;

  constructor() {
    super();
    this.name = null;
    this.table = { rows: 0, columns: [] };
    this.top = 0;
    this.sortedBy = null;
    this.descending = false;
    this.filter = "";
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("table")) this.top = 0;
    if (
      changed.has("table") ||
      changed.has("sortedBy") ||
      changed.has("descending") ||
      changed.has("filter")
    ) {
      this.#order = orderOf(this.table, this.sortedBy, this.descending, this.filter);
    }
  }

  get #count(): number {
    return this.#order?.length ?? this.table.rows;
  }

  #onScroll(event: Event): void {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget as HTMLElement;
    const share = scrollTop / Math.max(1, scrollHeight - clientHeight);
    const fits = Math.floor(clientHeight / ROW_PX) - 2;
    const top =
      this.#count * ROW_PX <= MAX_HEIGHT_PX
        ? Math.floor(scrollTop / ROW_PX)
        : Math.round(share * Math.max(0, this.#count - fits));
    if (top === this.top) return;
    this.top = top;
    this.#scrolled = scrollTop;
  }

  #sort(index: number): void {
    if (this.sortedBy !== index) [this.sortedBy, this.descending] = [index, false];
    else if (!this.descending) this.descending = true;
    else this.sortedBy = null;
  }

  async #saveArrow(): Promise<void> {
    const { tableToArrow } = await import("./table-arrow.ts");
    download(tableToArrow(this.table), `${this.name ?? "table"}.arrow`, "application/vnd.apache.arrow.file");
  }

  override render(): TemplateResult {
    const { columns, rows } = this.table;
    const count = this.#count;
    const height = Math.min(MAX_HEIGHT_PX, count * ROW_PX);
    const inSight = Math.ceil(VIEW_PX / ROW_PX) + 1;
    const first = Math.max(0, Math.min(this.top, count - inSight) - SPARE_ROWS);
    const last = Math.min(count, first + inSight + 2 * SPARE_ROWS);
    // Where the scroll bar stands for more rows than it has pixels, the rows follow it.
    const scaled = count * ROW_PX > MAX_HEIGHT_PX;
    const drawn = (last - first) * ROW_PX;
    const above = Math.max(
      0,
      Math.min(height - drawn, scaled ? this.#scrolled - (this.top - first) * ROW_PX : first * ROW_PX),
    );
    const below = Math.max(0, height - above - drawn);
    return html`
      <div class="bar">
        ${this.name === null ? "" : html`<b>${this.name}</b>`}
        <span role="status"
          >${count === rows ? "" : `${formatCount(count)} of `}${counted(rows, "row")},
          ${counted(columns.length, "column")}</span
        >
        <span class="space"></span>
        <input
          type="search"
          placeholder="Filter"
          aria-label="Filter the rows"
          @change=${(event: Event) => (this.filter = (event.target as HTMLInputElement).value)}
        />
        <button
          class="bare"
          @click=${() => {
            download(tableToCsv(this.table, this.#order), `${this.name ?? "table"}.csv`, "text/csv");
          }}
        >
          CSV
        </button>
        <button class="bare" @click=${() => void this.#saveArrow()}>Arrow</button>
      </div>
      <div
        class="scroller"
        tabindex="0"
        role="region"
        aria-label=${this.name ?? "Table"}
        @scroll=${this.#onScroll}
      >
        <table class=${count <= inSight ? "whole" : ""} aria-rowcount=${count + 1}>
          <thead>
            <tr>
              <th class="index" scope="col"><span class="visually-hidden">Row</span></th>
              ${columns.map((column, i) => this.#heading(column, i))}
            </tr>
          </thead>
          <tbody>
            <tr aria-hidden="true">
              <td class="spacer" style=${`block-size:${above}px`}></td>
            </tr>
            ${Array.from({ length: Math.max(0, last - first) }, (_, i) => this.#row(first + i))}
            <tr aria-hidden="true">
              <td class="spacer" style=${`block-size:${below}px`}></td>
            </tr>
          </tbody>
        </table>
      </div>
    `;
  }

  #heading({ name, kind }: TableColumn, index: number): TemplateResult {
    const sorted = this.sortedBy === index ? (this.descending ? "descending" : "ascending") : "none";
    const mark = sorted === "none" ? "" : sorted === "ascending" ? "↑" : "↓";
    return html`<th scope="col" class=${kind} aria-sort=${sorted}>
      <button
        class="bare"
        @click=${() => {
          this.#sort(index);
        }}
      >
        ${name}${mark === "" ? nothing : html`<span aria-hidden="true">${mark}</span>`}
      </button>
    </th>`;
  }

  #row(position: number): TemplateResult {
    const row = this.#order?.[position] ?? position;
    return html`<tr aria-rowindex=${position + 2}>
      <td class="index">${formatCount(row)}</td>
      ${this.table.columns.map((column) => html`<td class=${column.kind}>${cellText(column, row)}</td>`)}
    </tr>`;
  }
}

const figures = new Intl.NumberFormat("en", { maximumSignificantDigits: 7 });

/** A cell as it is read; "" for what is missing. */
export function cellText(column: TableColumn, row: number): string {
  if (column.kind === "text") return column.dictionary[column.codes[row] ?? -1] ?? "";
  const value = column.values[row];
  if (value === undefined || Number.isNaN(value)) return "";
  if (column.kind === "date")
    return new Date(value)
      .toISOString()
      .replace("T", " ")
      .replace(/\.000Z$/, "");
  return Math.abs(value) >= 1e15 || (value !== 0 && Math.abs(value) < 1e-6)
    ? value.toExponential(4)
    : figures.format(value);
}

/** The rows that pass the filter, sorted; null for all as they come. */
export function orderOf(
  { rows, columns }: TableData,
  sortedBy: number | null,
  descending: boolean,
  filter: string,
): Uint32Array | null {
  if (sortedBy === null && filter === "") return null;
  let order = Uint32Array.from({ length: rows }, (_, i) => i);
  if (filter !== "") {
    const wanted = filter.toLowerCase();
    // A text is compared once for each entry of its dictionary, and not for each row.
    const hits = columns.map((column) =>
      column.kind === "text" ? column.dictionary.map((text) => text.toLowerCase().includes(wanted)) : null,
    );
    order = order.filter((row) =>
      columns.some((column, i) =>
        column.kind === "text"
          ? hits[i]![column.codes[row] ?? -1]
          : cellText(column, row).toLowerCase().includes(wanted),
      ),
    );
  }
  const column = sortedBy === null ? undefined : columns[sortedBy];
  if (!column) return order;
  const sign = descending ? -1 : 1;
  if (column.kind === "text") {
    const rank = new Uint32Array(column.dictionary.length);
    [...column.dictionary.keys()]
      .sort((a, b) => (column.dictionary[a]! < column.dictionary[b]! ? -1 : 1))
      .forEach((code, at) => (rank[code] = at));
    return order.sort((a, b) => sign * (rank[column.codes[a]!]! - rank[column.codes[b]!]!) || a - b);
  }
  const { values } = column;
  // What is missing comes last, either way.
  return order.sort((a, b) => {
    const [left, right] = [values[a]!, values[b]!];
    if (Number.isNaN(left) || Number.isNaN(right))
      return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
    return sign * (left - right) || a - b;
  });
}

customElements.define("fulgurite-table", FulguriteTable);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-table": FulguriteTable;
  }
}
