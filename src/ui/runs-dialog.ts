import { stepUnit } from "../train/step-unit.ts";
import { css, html, nothing, type TemplateResult } from "lit";
import "./curve.ts";
import type { CurveLine } from "./curve.ts";
import { FulguriteDialog } from "./dialog.ts";
import { download } from "./download.ts";
import { formatCount, formatDateTime, formatDuration, formatFigure } from "./format.ts";
import { icon } from "./icons.ts";
import { evaluatedMetric, metricViews, runKindOf } from "./metrics.ts";
import type { FulguriteNotebook } from "./notebook.ts";
import { RunModel } from "./run-model.ts";
import { arrange, runRows, runTable, type RunOrder, type RunRow, type RunRows } from "./run-rows.ts";
import { tableToCsv } from "./table-export.ts";
import { asError } from "./trainer-client.ts";

/** Curves laid over each other at most. */
const MAX_CURVES = 5;

/** `<fulgurite-runs>`: every run of the notebook as a table, with a baseline to compare with, and their curves. */
export class FulguriteRuns extends FulguriteDialog {
  static override properties = {
    table: { state: true },
    filter: { state: true },
    order: { state: true },
    descending: { state: true },
    baseline: { state: true },
    chosen: { state: true },
    metric: { state: true },
    revision: { state: true },
    problem: { state: true },
  };

  static override styles = [
    ...FulguriteDialog.styles,
    css`
      :host {
        --dialog-width: 1120px;
      }
      .scroller {
        overflow: auto;
        max-block-size: 300px;
        border-block: 1px solid var(--hairline);
      }
      table {
        inline-size: 100%;
        border-spacing: 0;
        font-size: var(--size-small);
        font-variant-numeric: tabular-nums;
      }
      th {
        position: sticky;
        inset-block-start: 0;
        z-index: 1;
        background: var(--raised);
        text-align: start;
        font-weight: 600;
        padding: 0 8px;
        white-space: nowrap;
        border-block-end: 1px solid var(--hairline);
      }
      th .bare {
        border: 0;
        padding-inline: 0;
        font-weight: 600;
        color: var(--ink);
      }
      td {
        padding: 0 8px;
        white-space: nowrap;
        border-block-end: 1px solid color-mix(in oklab, var(--hairline) 60%, transparent);
      }
      .number {
        text-align: end;
      }
      .better {
        color: var(--passed);
      }
      .worse {
        color: var(--error);
      }
      tr.baseline td {
        background: var(--accent-wash);
        forced-color-adjust: none;
      }
      .bar {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px;
        margin-block: 8px;
      }
      .bar input {
        inline-size: 200px;
      }
      .space {
        flex: 1;
      }
      select {
        min-block-size: 32px;
        padding: 4px 8px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--paper);
      }
      [aria-pressed="true"] {
        color: var(--accent-ink);
      }
      .narrow {
        display: none;
      }
      @media (max-width: 639px) {
        .wide {
          display: none;
        }
        .narrow {
          display: inline;
        }
      }
    `,
  ];

  declare notebook: FulguriteNotebook;
  declare table: RunRows;
  declare filter: string;
  declare order: RunOrder;
  declare descending: boolean;
  declare baseline: string | null;
  declare chosen: ReadonlySet<string>;
  declare metric: string;
  declare revision: number;
  declare problem: string;
  protected readonly heading = "Runs of this notebook";
  readonly #models = new Map<string, RunModel>();

  constructor() {
    super();
    this.table = { rows: [], differing: [] };
    this.filter = "";
    this.order = "created";
    this.descending = true;
    this.baseline = null;
    this.chosen = new Set();
    this.metric = "";
    this.revision = 0;
    this.problem = "";
  }

  override async show(): Promise<void> {
    const { trainer, session } = this.notebook;
    try {
      const runs = session && trainer ? await trainer.runs({ notebook: session.id }) : [];
      this.table = runRows(runs);
      const kept: unknown = await trainer?.setting(this.#key);
      this.baseline = typeof kept === "string" ? kept : null;
      this.chosen = new Set(runs.slice(0, 3).map(({ id }) => id));
    } catch (error) {
      this.problem = asError(error).message;
    }
    await super.show();
    this.#follow();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const model of this.#models.values()) model.unwatch();
    this.#models.clear();
  }

  get #key(): string {
    return `baseline/${this.notebook.session?.id ?? ""}`;
  }

  #follow(): void {
    const { trainer } = this.notebook;
    if (!trainer) return;
    for (const id of this.chosen) {
      if (this.#models.has(id)) continue;
      const model = new RunModel(id);
      model.addEventListener("change", () => this.revision++);
      model.watch(trainer);
      this.#models.set(id, model);
    }
  }

  #choose(id: string, on: boolean): void {
    const next = new Set(this.chosen);
    if (on) next.add(id);
    else next.delete(id);
    while (next.size > MAX_CURVES) next.delete([...next][0]!);
    this.chosen = next;
    this.#follow();
  }

  async #star(id: string): Promise<void> {
    this.baseline = this.baseline === id ? null : id;
    await this.notebook.trainer?.setSetting(this.#key, this.baseline);
  }

  #sort(order: RunOrder): void {
    this.descending = this.order === order ? !this.descending : order !== "name";
    this.order = order;
  }

  async #save(as: "csv" | "arrow"): Promise<void> {
    const table = runTable(this.table);
    if (as === "csv") download(tableToCsv(table, null), "runs.csv", "text/csv");
    else {
      const { tableToArrow } = await import("./table-arrow.ts");
      download(tableToArrow(table), "runs.arrow", "application/vnd.apache.arrow.file");
    }
  }

  async #picture(as: "svg" | "png", title: string): Promise<void> {
    const curve = this.renderRoot.querySelector("fulgurite-curve");
    const svg = curve?.shadowRoot?.querySelector<SVGSVGElement>("#plot svg");
    if (!svg) return;
    const { savePng, saveSvg } = await import("./save-picture.ts");
    if (as === "svg") download(saveSvg(svg, title), "curves.svg", "image/svg+xml");
    else download(await savePng(svg), "curves.png", "image/png");
  }

  protected override content(): TemplateResult {
    const { rows, differing } = this.table;
    if (this.problem !== "") return html`<p role="alert">${this.problem}</p>`;
    if (rows.length === 0) return html`<p class="quiet">Nothing has been trained here yet.</p>`;
    const shown = arrange(rows, this.filter, this.order, this.descending);
    const base = rows.find(({ run }) => run.id === this.baseline) ?? null;
    return html`
      <div class="bar">
        <input
          type="search"
          aria-label="Filter the runs"
          placeholder="Filter"
          @input=${(event: Event) => (this.filter = (event.target as HTMLInputElement).value)}
        />
        <span class="quiet" role="status">${formatCount(shown.length)} of ${formatCount(rows.length)}</span>
        <span class="space"></span>
        <button class="bare" @click=${() => this.#save("csv")}>CSV</button>
        <button class="bare" @click=${() => this.#save("arrow")}>Arrow</button>
      </div>
      <div class="scroller" tabindex="0" role="region" aria-label="Runs">
        <table>
          <thead>
            <tr>
              <th scope="col"><span class="visually-hidden">Curve</span></th>
              <th scope="col"><span class="visually-hidden">Baseline</span></th>
              ${this.#column("name", "Run")} ${this.#column("score", "Evaluation")}
              ${base ? html`<th scope="col" class="number">to baseline</th>` : nothing}
              ${this.#column("steps", "Steps")}
              ${differing.map((path) => html`<th scope="col">${path.replace(/^algorithm\./, "")}</th>`)}
              <th scope="col">Cell</th>
              <th scope="col">State</th>
              ${this.#column("created", "Began")}
            </tr>
          </thead>
          <tbody>
            ${shown.map((row) => this.#row(row, base))}
          </tbody>
        </table>
      </div>
      ${this.#curves()}
    `;
  }

  #column(order: RunOrder, title: string): TemplateResult {
    const sorted = this.order === order ? (this.descending ? "descending" : "ascending") : "none";
    const number = order === "score" || order === "steps";
    return html`<th scope="col" class=${number ? "number" : ""} aria-sort=${sorted}>
      <button
        class="bare"
        @click=${() => {
          this.#sort(order);
        }}
      >
        ${title} <span aria-hidden="true">${sorted === "none" ? "" : this.descending ? "↓" : "↑"}</span>
      </button>
    </th>`;
  }

  #row(row: RunRow, base: RunRow | null): TemplateResult {
    const { run, label, short, score, settings } = row;
    const isBase = run.id === this.baseline;
    const difference = base && !isBase && score !== null && base.score !== null ? score - base.score : null;
    return html`<tr class=${isBase ? "baseline" : ""}>
      <td>
        <input
          type="checkbox"
          aria-label=${`Draw ${label}`}
          .checked=${this.chosen.has(run.id)}
          @change=${(event: Event) => {
            this.#choose(run.id, (event.target as HTMLInputElement).checked);
          }}
        />
      </td>
      <td>
        <button
          class="bare"
          aria-pressed=${isBase ? "true" : "false"}
          aria-label=${`Baseline: ${label}`}
          title="Compare the others with this one"
          @click=${() => this.#star(run.id)}
        >
          ${icon(isBase ? "starred" : "star")}
        </button>
      </td>
      <td><span class="wide">${label}</span><span class="narrow" title=${label}>${short}</span></td>
      <td class="number">${score === null ? "–" : formatFigure(score)}</td>
      ${
        base
          ? html`<td class=${`number ${difference === null ? "" : difference >= 0 ? "better" : "worse"}`}>
              ${difference === null ? "" : `${difference >= 0 ? "+" : "−"}${formatFigure(Math.abs(difference))}`}
            </td>`
          : nothing
      }
      <td class="number">${formatCount(run.step)}</td>
      ${this.table.differing.map((path) => html`<td>${settings.get(path)}</td>`)}
      <td>${run.cell ?? ""}</td>
      <td>${run.status}${run.activeTime > 0 ? `, ${formatDuration(run.activeTime)}` : ""}</td>
      <td>${formatDateTime(run.createdAt)}</td>
    </tr>`;
  }

  #curves(): TemplateResult | typeof nothing {
    const drawn = this.table.rows.filter(
      ({ run }) => this.chosen.has(run.id) && this.#models.get(run.id)?.curve,
    );
    const [first] = drawn;
    if (!first) return nothing;
    const kind = runKindOf(first.run);
    const alike = drawn.filter(({ run }) => run.kind === first.run.kind);
    const metric = metricViews[kind].some(({ name }) => name === this.metric)
      ? this.metric
      : evaluatedMetric(kind);
    const lines: CurveLine[] = alike.map(({ run, label, short }, i) => ({
      label: { short, full: label },
      curve: this.#models.get(run.id)!.curve!,
      current: i === 0,
    }));
    const shown = metricViews[kind].find(({ name }) => name === metric)!.title;
    const title = `${shown} over ${stepUnit(kind)}: ${alike.map(({ label }) => label).join("; ")}`;
    return html`<div class="bar">
        <label class="quiet"
          >Curve of
          <select @change=${(event: Event) => (this.metric = (event.target as HTMLSelectElement).value)}>
            ${metricViews[kind].map(
              ({ name, title }) => html`<option value=${name} ?selected=${name === metric}>${title}</option>`,
            )}
          </select></label
        >
        <span class="quiet">over ${stepUnit(kind)}</span>
        <span class="space"></span>
        <button class="bare" @click=${() => this.#picture("svg", title)}>SVG</button>
        <button class="bare" @click=${() => this.#picture("png", title)}>PNG</button>
      </div>
      <fulgurite-curve
        .lines=${lines}
        .metric=${metric}
        .kind=${kind}
        .steps=${Math.max(...alike.map(({ run }) => run.step))}
        .threshold=${null}
      ></fulgurite-curve>`;
  }
}

customElements.define("fulgurite-runs", FulguriteRuns);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-runs": FulguriteRuns;
  }
}
