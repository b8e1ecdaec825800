import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { ErrorData } from "../gpu/error.ts";
import type { Rollout, Run } from "../store/records.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { foldStyles } from "./fold.css.ts";
import { formatCount, formatFigure, formatSigned, formatSpan } from "./format.ts";
import { icon } from "./icons.ts";
import { rewardBar, rewardBarStyles } from "./reward-bar.ts";
import { showRollout } from "./show-rollout.ts";
import { RolloutList } from "./rollout-list.ts";
import type { RolloutSource } from "./rollout-source.ts";
import { leftOut, leftOutWords, outcome, valueText } from "./rollout-words.ts";
import { rolloutsStyles } from "./rollouts.css.ts";
import { base, buttons, fields } from "./tokens.css.ts";
import { asError } from "./trainer-client.ts";
import { ROW_HEIGHT, virtualTableStyles } from "./virtual-table.css.ts";

const REFRESH_INTERVAL_MS = 1000;
/** Rows drawn beyond what is in sight, above and below. */
const OVERSCAN = 6;
const VIEWPORT_ROWS = 11;

type Choice = "all" | Rollout["mode"];

/**
 * `<fulgurite-rollouts>`: every rollout of a run, newest first, folded until asked for. Draws the rows in sight
 * and reads older ones as they come near. A row opens its siblings and its trace.
 */
export class FulguriteRollouts extends LitElement {
  static override properties = {
    source: { attribute: false },
    run: { attribute: false },
    lastUpdate: { type: Number },
    droppedRows: { type: Number },
    open: { state: true },
    choice: { state: true },
    failedOnly: { state: true },
    first: { state: true },
    active: { state: true },
    revision: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    fields,
    foldStyles,
    errorNoteStyles,
    rewardBarStyles,
    virtualTableStyles,
    rolloutsStyles,
  ];

  declare source: RolloutSource | null;
  declare run: Run | null;
  /** The run's last update; when it grows, new rollouts are read. */
  declare lastUpdate: number;
  /** Training rows left out of the last update. */
  declare droppedRows: number;
  declare open: boolean;
  declare choice: Choice;
  declare failedOnly: boolean;
  /** First row in sight. */
  declare first: number;
  /** The row that Tab reaches. */
  declare active: number;
  declare revision: number;
  declare failure: ErrorData | null;

  #list: RolloutList | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.source = null;
    this.run = null;
    this.lastUpdate = 0;
    this.droppedRows = 0;
    this.open = false;
    this.choice = "all";
    this.failedOnly = false;
    this.first = 0;
    this.active = 0;
    this.revision = 0;
    this.failure = null;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!this.open || !this.source || !this.run) return;
    if (this.#list?.runId !== this.run.id || changed.has("source") || changed.has("choice")) {
      const mode = this.choice === "all" ? undefined : this.choice;
      this.#list = new RolloutList(this.source, this.run.id, mode);
      this.first = 0;
      this.active = 0;
      void this.#read((list) => list.more());
    } else if (changed.has("lastUpdate")) this.#refreshSoon();
  }

  #refreshSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // Rows that somebody reads must not move away under them.
      if (this.open && this.first === 0) void this.#read((list) => list.refresh());
    }, REFRESH_INTERVAL_MS);
  }

  async #read(how: (list: RolloutList) => Promise<void>): Promise<void> {
    const list = this.#list;
    if (!list) return;
    try {
      await how(list);
      this.failure = null;
    } catch (error) {
      this.failure = asError(error).toData();
    }
    this.revision++;
  }

  #rows(): readonly Rollout[] {
    const rows = this.#list?.rows ?? [];
    return this.failedOnly ? rows.filter(leftOut) : rows;
  }

  #onScroll(event: Event): void {
    const { scrollTop } = event.currentTarget as HTMLElement;
    this.first = Math.floor(scrollTop / ROW_HEIGHT);
    if (this.first + 3 * VIEWPORT_ROWS > this.#rows().length && this.#list?.complete === false) {
      void this.#read((list) => list.more());
    }
  }

  #onKeydown(event: KeyboardEvent): void {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: VIEWPORT_ROWS - 1, PageUp: 1 - VIEWPORT_ROWS };
    const by = steps[event.key as keyof typeof steps] as number | undefined;
    if (by === undefined) return;
    event.preventDefault();
    this.active = Math.max(0, Math.min(this.#rows().length - 1, this.active + by));
    void this.#focusActive();
  }

  async #focusActive(): Promise<void> {
    const scroll = this.renderRoot.querySelector(".scroll");
    if (!scroll) return;
    const top = this.active * ROW_HEIGHT;
    // The head stays in sight and covers a row.
    const bottom = scroll.clientHeight - 2 * ROW_HEIGHT;
    scroll.scrollTop = Math.max(top - bottom, Math.min(top, scroll.scrollTop));
    this.first = Math.floor(scroll.scrollTop / ROW_HEIGHT);
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>('.open[tabindex="0"]')?.focus({ preventScroll: true });
  }

  #show(rollout: Rollout): void {
    showRollout(this.renderRoot, rollout).catch((error: unknown) => {
      this.failure = asError(error).toData();
    });
  }

  override render(): TemplateResult {
    return html`<details
        class="fold"
        @toggle=${(event: Event) => (this.open = (event.currentTarget as HTMLDetailsElement).open)}
      >
        <summary>${icon("chevron")}Rollouts, siblings and traces</summary>
        ${this.open ? this.#body() : nothing}
      </details>
      <fulgurite-rollout-dialog .source=${this.source} .run=${this.run}></fulgurite-rollout-dialog>`;
  }

  #body(): TemplateResult {
    if (this.failure) return errorNote(this.failure);
    const rows = this.#rows();
    return html`<div class="above">
        <p>${this.#words()}</p>
        <div>
          <select
            aria-label="Which rollouts"
            @change=${(event: Event) => (this.choice = (event.target as HTMLSelectElement).value as Choice)}
          >
            <option value="all">All rollouts</option>
            <option value="train">Training</option>
            <option value="evaluation">Held-out</option>
          </select>
          <button
            aria-pressed=${this.failedOnly ? "true" : "false"}
            @click=${() => (this.failedOnly = !this.failedOnly)}
          >
            ${this.failedOnly ? "Show all" : "Only what was left out"}
          </button>
        </div>
      </div>
      ${
        rows.length === 0
          ? html`<p>${this.#emptyWords()}</p>`
          : html`<div class="scroll" tabindex="-1" @scroll=${this.#onScroll} @keydown=${this.#onKeydown}>
              ${this.#table(rows)}
            </div>`
      }`;
  }

  #emptyWords(): string {
    if (this.#list?.complete !== true) return "Reading…";
    return this.failedOnly ? "None was left out." : "There are none yet.";
  }

  /** What became of the newest update's rollouts. */
  #words(): string {
    const rows = this.#list?.rows ?? [];
    const update = rows.find(({ mode }) => mode === "train")?.update;
    if (update === undefined) return "";
    const newest = rows.filter((row) => row.mode === "train" && row.update === update);
    const dropped = this.droppedRows;
    const rest = dropped > 0 ? ` ${formatCount(dropped)} training rows dropped.` : "";
    return `Update ${formatCount(update)}: ${lowerFirst(leftOutWords(newest))}${rest}`;
  }

  #table(rows: readonly Rollout[]): TemplateResult {
    const from = Math.max(0, Math.min(this.first, rows.length - VIEWPORT_ROWS) - OVERSCAN);
    const to = Math.min(rows.length, this.first + VIEWPORT_ROWS + OVERSCAN);
    const parts = rows.slice(0, VIEWPORT_ROWS).some(({ components }) => Object.keys(components).length > 1);
    const spacer = (count: number): TemplateResult | typeof nothing =>
      count > 0
        ? html`<tr class="spacer" aria-hidden="true">
            <td style=${`height: ${count * ROW_HEIGHT}px`}></td>
          </tr>`
        : nothing;
    return html`<table aria-rowcount=${this.#list?.complete ? rows.length + 1 : -1}>
      <caption class="visually-hidden">
        Rollouts, newest first
      </caption>
      <thead>
        <tr aria-rowindex="1">
          <th scope="col" class="c-number">Rollout</th>
          <th scope="col" class="c-mode second">Update</th>
          <th scope="col" class="c-small rare end">Group</th>
          <th scope="col">Task</th>
          <th scope="col">Answer</th>
          <th scope="col" class="c-reward end">Reward</th>
          ${parts ? html`<th scope="col" class="rare">Components</th>` : nothing}
          <th scope="col" class="c-advantage second end">Advantage</th>
          <th scope="col" class="c-small rare end">Calls</th>
          <th scope="col" class="c-small rare end">Tokens</th>
          <th scope="col" class="c-time second end">Time</th>
        </tr>
      </thead>
      <tbody>
        ${spacer(from)} ${rows.slice(from, to).map((row, i) => this.#row(row, from + i, parts))}
        ${spacer(rows.length - to)}
      </tbody>
    </table>`;
  }

  #row(row: Rollout, index: number, parts: boolean): TemplateResult {
    const { number, update, mode, group, reward, advantage, calls } = row;
    const failed = row.status !== "succeeded";
    const task = valueText(row.task);
    const answer = failed ? outcome(row) : valueText(row.result);
    return html`<tr
      class="row"
      aria-rowindex=${index + 2}
      @click=${() => {
        this.#show(row);
      }}
    >
      <td>
        <button
          class="bare open"
          tabindex=${index === this.active ? 0 : -1}
          aria-label=${`Rollout ${formatCount(number)}`}
          @focus=${() => (this.active = index)}
        >
          ${formatCount(number)}
        </button>
      </td>
      <td class="second quiet">${mode === "evaluation" ? `held-out, ${update}` : formatCount(update)}</td>
      <td class="rare end quiet">${formatCount(group)}</td>
      <td class="text" title=${task}>${task}</td>
      <td class=${failed ? "failed" : "text"} title=${row.message ?? answer}>${answer}</td>
      <td class=${reward === null ? "end failed" : "end"}>
        ${reward === null ? (failed ? "–" : "failed") : rewardBar(reward)}
      </td>
      ${parts ? html`<td class="rare quiet" title=${componentsText(row)}>${componentsText(row)}</td>` : nothing}
      <td class="second end">${formatSigned(advantage)}</td>
      <td class="rare end quiet">${calls}</td>
      <td class="rare end quiet">${formatCount(row.inputTokens + row.outputTokens)}</td>
      <td class="second end quiet">${row.endTime === null ? "" : formatSpan(row.endTime - row.startTime)}</td>
    </tr>`;
  }
}

const componentsText = ({ components }: Rollout): string =>
  Object.entries(components)
    .map(([name, value]) => `${name} ${formatFigure(value)}`)
    .join(", ");

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

customElements.define("fulgurite-rollouts", FulguriteRollouts);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-rollouts": FulguriteRollouts;
  }
}
