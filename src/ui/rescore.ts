import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { ErrorData } from "../gpu/error.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { Rollout, Run } from "../store/records.ts";
import type { Job } from "../train/job.ts";
import type { RescoreResult } from "../train/rescore.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { counted, formatCount, formatFigure } from "./format.ts";
import { rescoreWords } from "./rescore-words.ts";
import { valueText } from "./rollout-words.ts";
import { showRollout } from "./show-rollout.ts";
import { base, buttons } from "./tokens.css.ts";
import { asError, type TrainerClient } from "./trainer-client.ts";

const SHOWN_CHANGES = 6;

/**
 * `<fulgurite-rescore>`: what an edited reward would have said of the stored rollouts, before a new one is spent.
 * Shows nothing where there are none, or where the newest run was trained with this very reward.
 */
export class FulguriteRescore extends LitElement {
  static override properties = {
    trainer: { attribute: false },
    notebook: {},
    cells: { attribute: false },
    reward: { attribute: false },
    run: { state: true },
    result: { state: true },
    changed: { state: true },
    failure: { state: true },
    busy: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    css`
      :host {
        display: block;
        container-type: inline-size;
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
      }
      section {
        margin-block-start: 16px;
        padding-block-start: 8px;
        border-block-start: 1px solid var(--hairline);
      }
      .about {
        font: 600 var(--size-small) / 24px var(--font-text);
        color: var(--ink);
      }
      p {
        margin: 0;
      }
      .first {
        padding-block: 4px;
        font-size: var(--size-text);
        line-height: 28px;
        color: var(--ink);
        text-wrap: pretty;
      }
      .key {
        display: flex;
        flex-wrap: wrap;
        gap: 0 24px;
        margin-block-start: 16px;
      }
      .key span {
        display: inline-flex;
        align-items: center;
        gap: 8px;
      }
      .key i {
        inline-size: 16px;
        block-size: 12px;
        background: color-mix(in oklab, var(--ink-faint) 45%, transparent);
      }
      .key .new i {
        block-size: 2px;
        background: var(--series-0);
      }
      #plot {
        min-block-size: 176px;
      }
      #plot svg {
        display: block;
        color: var(--ink-quiet);
        font-variant-numeric: tabular-nums;
      }
      table {
        inline-size: 100%;
        margin-block-start: 8px;
        border-collapse: collapse;
        table-layout: fixed;
        font-variant-numeric: tabular-nums;
      }
      caption {
        text-align: start;
      }
      th,
      td {
        padding: 4px 8px;
        font-weight: 400;
        text-align: start;
        border-block-end: 1px solid var(--hairline);
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      :is(th, td):first-child {
        padding-inline-start: 0;
        inline-size: 72px;
      }
      .end {
        text-align: end;
        inline-size: 112px;
      }
      .text {
        font-family: var(--font-code);
        color: var(--ink);
      }
      td b {
        font-weight: 600;
        color: var(--accent-ink);
      }
      table button {
        min-block-size: 24px;
        min-inline-size: 0;
        padding: 0 4px;
        border: 0;
        color: var(--accent-ink);
      }
      @container (max-width: 559px) {
        .rank {
          display: none;
        }
        .end {
          inline-size: 96px;
        }
      }
    `,
  ];

  declare trainer: TrainerClient | null;
  declare notebook: string;
  /** Cells whose runs count: those that use the reward. */
  declare cells: readonly string[];
  declare reward: CodeSource | null;
  declare run: Run | null;
  declare result: RescoreResult | null;
  /** Rollouts that change most. */
  declare changed: readonly Rollout[];
  declare failure: ErrorData | null;
  declare busy: boolean;

  #asked: string | null = null;
  #asking = 0;
  #width = 0;
  readonly #resize = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (width === this.#width) return;
    this.#width = width;
    void this.#draw();
  });

  constructor() {
    super();
    this.trainer = null;
    this.notebook = "";
    this.cells = [];
    this.reward = null;
    this.run = null;
    this.result = null;
    this.changed = [];
    this.failure = null;
    this.busy = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
  }

  protected override willUpdate(): void {
    // Cells come as new lists with every change of the notebook; only what they say matters.
    const question = `${this.notebook}\n${this.cells.join()}\n${codeText(this.reward)}`;
    if (!this.trainer || !this.reward || question === this.#asked) return;
    this.#asked = question;
    void this.#ask(this.trainer, this.reward);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("result")) void this.#draw();
  }

  async #ask(trainer: TrainerClient, reward: CodeSource): Promise<void> {
    const asking = ++this.#asking;
    const outdated = (): boolean => asking !== this.#asking;
    this.failure = null;
    try {
      const runs = await trainer.runs({ notebook: this.notebook });
      if (outdated()) return;
      const run = runs.find(({ kind, cell, update }) => {
        return kind === "agentic" && update > 0 && cell !== null && this.cells.includes(cell);
      });
      const job = run?.job as Job | undefined;
      if (!run || job?.kind !== "agentic" || codeText(job.reward) === codeText(reward)) {
        this.run = null;
        this.result = null;
        return;
      }
      this.run = run;
      this.busy = true;
      const result = await trainer.rescore(run.id, reward);
      if (outdated()) return;
      this.result = result;
      this.busy = false;
      this.changed = await this.#most(trainer, run.id, result);
    } catch (error) {
      if (outdated()) return;
      this.busy = false;
      this.result = null;
      this.failure = asError(error).toData();
    }
  }

  async #most(trainer: TrainerClient, runId: string, result: RescoreResult): Promise<Rollout[]> {
    const numbers = new Map(result.rollouts.map(({ id, number }) => [id, number]));
    const wanted = result.comparison.rankChanges.slice(0, SHOWN_CHANGES).map(({ id }) => numbers.get(id)!);
    const found = wanted.map((number) => trainer.rollouts({ runId, afterNumber: number - 1, limit: 1 }));
    return (await Promise.all(found)).flat();
  }

  async #draw(): Promise<void> {
    const histogram = this.result?.comparison.histogram;
    if (!histogram || histogram.edges.length === 0 || this.#width < 80) return;
    const { drawRewards } = await import("./rescore-plot.ts");
    const plot = drawRewards(histogram, this.#width);
    plot.setAttribute("aria-hidden", "true");
    this.renderRoot.querySelector("#plot")?.replaceChildren(plot);
  }

  #show(rollout: Rollout): void {
    showRollout(this.renderRoot, rollout).catch((error: unknown) => {
      this.failure = asError(error).toData();
    });
  }

  override render(): TemplateResult | typeof nothing {
    if (this.failure) return errorNote(this.failure);
    const { run, result } = this;
    if (!run) return nothing;
    if (!result) {
      return html`<section aria-busy="true">
        <p>Scoring the stored rollouts anew…</p>
      </section>`;
    }
    const [first, ...rest] = rescoreWords(result);
    return html`<section
      aria-label="What this reward would have said"
      aria-busy=${this.busy ? "true" : "false"}
    >
      <p class="about">
        On the ${counted(result.rollouts.length, "newest rollout")} of ${run.cell ?? run.name}, without a new
        one
      </p>
      <p class="first" role="status">${first}</p>
      <p>${rest.join(" ")}</p>
      <p class="key">
        <span class="old"><i></i>as it was trained</span><span class="new"><i></i>as edited</span>
      </p>
      <div id="plot" role="img" aria-label="Distribution of the rewards, as trained and as edited"></div>
      ${this.changed.length > 0 ? this.#changes(result) : nothing}
      <fulgurite-rollout-dialog .source=${this.trainer} .run=${run}></fulgurite-rollout-dialog>
    </section>`;
  }

  #changes({ rollouts, comparison }: RescoreResult): TemplateResult {
    const scores = new Map(rollouts.map((rollout) => [rollout.id, rollout]));
    const ranks = new Map(comparison.rankChanges.map((change) => [change.id, change]));
    return html`<table>
      <caption>
        What changes most
      </caption>
      <thead>
        <tr>
          <th scope="col">Rollout</th>
          <th scope="col">Task</th>
          <th scope="col">Answer</th>
          <th scope="col" class="end">Reward</th>
          <th scope="col" class="end rank">Rank</th>
        </tr>
      </thead>
      <tbody>
        ${this.changed.map((rollout) => {
          const score = scores.get(rollout.id);
          const rank = ranks.get(rollout.id);
          return html`<tr>
            <td>
              <button
                class="bare"
                aria-label=${`Rollout ${formatCount(rollout.number)}`}
                @click=${() => {
                  this.#show(rollout);
                }}
              >
                ${formatCount(rollout.number)}
              </button>
            </td>
            <td class="text">${valueText(rollout.task)}</td>
            <td class="text">${valueText(rollout.result)}</td>
            <td class="end">
              ${formatFigure(score?.old ?? undefined)} → <b>${formatFigure(score?.new ?? undefined)}</b>
            </td>
            <td class="end rank">${rankText(rank?.oldRank)} → ${rankText(rank?.newRank)}</td>
          </tr>`;
        })}
      </tbody>
    </table>`;
  }
}

/** Ranks of equals are halves. */
const rankText = (rank: number | undefined): string =>
  rank === undefined ? "–" : formatCount(Math.round(rank));

/** The same text for the same code with the same values. */
const codeText = (source: CodeSource | null): string =>
  source === null ? "" : JSON.stringify([source.code, source.entry, source.values]);

customElements.define("fulgurite-rescore", FulguriteRescore);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-rescore": FulguriteRescore;
  }
}
