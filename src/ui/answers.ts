import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Rollout } from "../store/records.ts";
import { answerHistories, spread, type AnswerHistory } from "./answer-history.ts";
import { formatCount, formatFigure } from "./format.ts";
import { icon } from "./icons.ts";
import { rewardBar, rewardBarStyles } from "./reward-bar.ts";
import type { RolloutSource } from "./rollout-source.ts";
import { leftOut, outcome, valueText } from "./rollout-words.ts";
import { base, buttons } from "./tokens.css.ts";

const SHOWN_ANSWERS = 5;
/** Rows read at once; more evaluations than these are seen from their newest end. */
const READ_AT_ONCE = 4000;
const SQUARES = 200;

/**
 * `<fulgurite-answers>`: what the agent says now to a held-out task, above what it said before. Below, every
 * held-out task as a square, filled by its reward.
 */
export class FulguriteAnswers extends LitElement {
  static override properties = {
    source: { attribute: false },
    runId: {},
    evaluations: { type: Number },
    kept: { type: Boolean },
    histories: { state: true },
    chosen: { state: true },
  };

  static override styles = [
    base,
    buttons,
    rewardBarStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        container-type: inline-size;
        min-inline-size: 0;
        min-block-size: var(--stage-height, 280px);
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
      }
      header {
        display: flex;
        align-items: center;
        justify-content: space-between;
        min-block-size: 32px;
      }
      header span {
        font-variant-numeric: tabular-nums;
      }
      header div {
        display: flex;
        gap: 4px;
      }
      .back svg {
        transform: rotate(180deg);
      }
      .task {
        margin: 0;
        padding-block: 4px 8px;
        font: 500 1.375rem / 32px var(--font-code);
        color: var(--ink);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        max-block-size: 112px;
        overflow-y: auto;
      }
      ol {
        flex: 1;
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: grid;
        grid-template-columns: 104px minmax(0, 1fr) auto;
        align-items: center;
        gap: 0 16px;
        min-block-size: 32px;
        border-block-start: 1px solid var(--hairline);
        font-variant-numeric: tabular-nums;
      }
      .answer {
        font: 400 0.9375rem / 24px var(--font-code);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        color: var(--ink-quiet);
      }
      .answer.long {
        font-size: 0.8125rem;
        line-height: 20px;
        padding-block: 6px;
      }
      .answer.none {
        font-family: var(--font-text);
        font-size: var(--size-small);
      }
      li:first-child {
        min-block-size: 56px;
        color: var(--ink);
        font-weight: 550;
      }
      li:first-child .answer:not(.none) {
        font-weight: 600;
        color: var(--accent-ink);
      }
      li:first-child .answer:not(.none, .long) {
        font-size: 1.375rem;
        line-height: 32px;
      }
      .task.long {
        font-size: 1rem;
        line-height: 24px;
      }
      @container (max-width: 359px) {
        li {
          grid-template-columns: minmax(0, 1fr) auto;
        }
        .answer {
          grid-row: 2;
          grid-column: 1 / -1;
        }
      }
      .squares {
        display: flex;
        flex-wrap: wrap;
        gap: 2px;
        padding-block: 8px 4px;
        border-block-start: 1px solid var(--hairline);
      }
      .squares i {
        inline-size: 10px;
        block-size: 10px;
        border-radius: 2px;
        background: color-mix(in oklab, var(--series-0) calc(var(--reward) * 100%), var(--hairline));
        cursor: pointer;
      }
      .squares i.none {
        background: none;
        border: 1px solid var(--ink-faint);
      }
      .squares i.chosen {
        outline: 2px solid var(--ink);
        outline-offset: 1px;
      }
      .empty {
        flex: 1;
        display: grid;
        place-content: center;
        margin: 0;
        padding: 16px;
        text-align: center;
        background: var(--surface);
        border-radius: var(--radius);
      }
      .caption {
        margin: 0;
        line-height: 20px;
      }
    `,
  ];

  declare source: RolloutSource | null;
  declare runId: string;
  /** Evaluations so far; when it grows, the new answers are read. */
  declare evaluations: number;
  /** True of a recording, which keeps the answers to some tasks only. */
  declare kept: boolean;
  declare histories: readonly AnswerHistory[];
  declare chosen: number;

  #rollouts: Rollout[] = [];
  #reading: Promise<void> = Promise.resolve();

  constructor() {
    super();
    this.source = null;
    this.runId = "";
    this.evaluations = 0;
    this.kept = false;
    this.histories = [];
    this.chosen = 0;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("runId") || changed.has("source")) {
      this.#rollouts = [];
      this.histories = [];
    }
    if (changed.has("runId") || changed.has("source") || changed.has("evaluations")) {
      this.#reading = this.#reading.then(() => this.#read());
    }
  }

  async #read(): Promise<void> {
    const { source, runId } = this;
    if (!source || runId === "") return;
    try {
      const afterNumber = this.#rollouts.reduce((last, { number }) => Math.max(last, number), -1);
      const more = await source.rollouts({
        runId,
        mode: "evaluation",
        afterNumber,
        limit: READ_AT_ONCE,
        order: "newest",
      });
      if (runId !== this.runId || source !== this.source || more.length === 0) return;
      this.#rollouts.push(...more);
      this.histories = answerHistories(this.#rollouts);
    } catch {
      // The run itself says what is wrong with the store; answers that cannot be read are no answers.
    }
  }

  #go(by: number): void {
    const count = this.histories.length;
    this.chosen = (this.chosen + by + count) % count;
  }

  override render(): TemplateResult {
    const history = this.histories[Math.min(this.chosen, this.histories.length - 1)];
    if (!history) {
      return html`<p class="empty">
        The agent's answers to held-out tasks appear with the first evaluation.
      </p>`;
    }
    const count = this.histories.length;
    return html`
      <header>
        <span>Held-out task ${formatCount(this.chosen + 1)} of ${formatCount(count)}</span>
        <div>
          <button
            class="bare back"
            aria-label="Previous task"
            title="Previous task"
            @click=${() => {
              this.#go(-1);
            }}
          >
            ${icon("chevron")}
          </button>
          <button
            class="bare"
            aria-label="Next task"
            title="Next task"
            @click=${() => {
              this.#go(1);
            }}
          >
            ${icon("chevron")}
          </button>
        </div>
      </header>
      <p class=${isLong(valueText(history.task)) ? "task long" : "task"}>${valueText(history.task)}</p>
      <ol aria-label="Answers, newest first">
        ${spread(history.answers, SHOWN_ANSWERS).map((rollout, i) => answer(rollout, i === 0))}
      </ol>
      <div class="squares" aria-hidden="true" @click=${this.#choose}>
        ${this.histories.slice(0, SQUARES).map(({ answers }, i) => {
          const last = answers.at(-1)!;
          const classes = `${i === this.chosen ? "chosen" : ""} ${last.reward === null ? "none" : ""}`;
          return html`<i class=${classes} data-task=${i} style=${`--reward: ${unit(last.reward)}`}></i>`;
        })}
      </div>
      <p class="caption">${this.#caption()}</p>
    `;
  }

  #choose(event: Event): void {
    const task = (event.target as HTMLElement).dataset["task"];
    if (task !== undefined) this.chosen = Number(task);
  }

  #caption(): string {
    const rewards = this.histories.map(({ answers }) => answers.at(-1)?.reward ?? null);
    const known = rewards.filter((reward) => reward !== null);
    const mean = known.reduce((sum, reward) => sum + reward, 0) / known.length;
    const squares = this.kept
      ? `Each square is one of the first ${formatCount(rewards.length)} held-out tasks, whose answers the recording kept`
      : "Each square is a task that is never trained on";
    return `${squares}; mean reward ${formatFigure(mean)} now.`;
  }
}

/** Longer than a line at its full size. */
const isLong = (text: string): boolean => text.length > 24;

const unit = (reward: number | null): number => Math.max(0, Math.min(1, reward ?? 0));

function answer(rollout: Rollout, newest: boolean): TemplateResult {
  const when = rollout.update === 0 ? "before" : `update ${formatCount(rollout.update)}`;
  const text = valueText(rollout.result);
  const none = leftOut(rollout) ? outcome(rollout) : text === "" ? "said nothing" : null;
  return html`<li>
    <span>${newest && rollout.update > 0 ? "now" : when}</span>
    ${
      none === null
        ? html`<span class=${isLong(text) ? "answer long" : "answer"}>${text}</span>`
        : html`<span class="answer none">${none}</span>`
    }
    ${rollout.reward === null ? nothing : rewardBar(rollout.reward)}
  </li>`;
}

customElements.define("fulgurite-answers", FulguriteAnswers);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-answers": FulguriteAnswers;
  }
}
