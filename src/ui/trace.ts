import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { Span } from "../store/records.ts";
import { counted, formatCount, formatFigure, formatSpan } from "./format.ts";
import { icon } from "./icons.ts";
import { spanDetails, spanDetailsStyles } from "./span-details.ts";
import { tokenChipStyles } from "./token-chips.ts";
import { base, buttons } from "./tokens.css.ts";
import { emissionOf, rewardWords, traceRows, type SpanKind, type TraceRow } from "./trace-tree.ts";

const kindWords: Readonly<Record<SpanKind, string>> = {
  rollout: "Rollout",
  call: "Model call",
  reward: "Reward",
  operation: "Operation",
  exception: "Exception",
  emission: "Emitted",
};

/**
 * `<fulgurite-trace>`: the spans of one rollout, as a tree on the left and, in the same rows, as a waterfall on
 * the right. A row opens what was said, and every token.
 */
export class FulguriteTrace extends LitElement {
  static override properties = {
    spans: { attribute: false },
    tokenizer: { attribute: false },
    opened: { state: true },
  };

  static override styles = [
    base,
    buttons,
    tokenChipStyles,
    spanDetailsStyles,
    css`
      :host {
        display: block;
        container-type: inline-size;
        font-size: var(--size-small);
        line-height: 24px;
      }
      p {
        margin: 0;
        color: var(--ink-quiet);
      }
      ol {
        margin: 8px 0 0;
        padding: 0;
        list-style: none;
        border-block-end: 1px solid var(--hairline);
      }
      button.row {
        display: grid;
        grid-template-columns: minmax(0, 5fr) minmax(0, 6fr) 64px;
        align-items: center;
        gap: 0 16px;
        inline-size: 100%;
        min-block-size: 40px;
        padding: 4px 0;
        border: 0;
        border-block-start: 1px solid var(--hairline);
        border-radius: 0;
        font-weight: 400;
        line-height: 24px;
        text-align: start;
        color: var(--ink);
      }
      .what {
        display: flex;
        align-items: center;
        gap: 8px;
        min-inline-size: 0;
        padding-inline-start: calc(var(--depth) * 20px);
      }
      .what svg {
        color: var(--ink-faint);
      }
      button[aria-expanded="true"] .what svg {
        transform: rotate(90deg);
      }
      .what small {
        overflow: hidden;
        text-overflow: ellipsis;
        font-size: inherit;
        color: var(--ink-quiet);
      }
      .what .wrong {
        color: var(--error);
      }
      .bar {
        position: relative;
        block-size: 12px;
        background: linear-gradient(var(--hairline), var(--hairline)) center / 100% 1px no-repeat;
      }
      .bar i {
        position: absolute;
        inset-block: 0;
        inset-inline-start: calc(var(--from) * 100%);
        inline-size: max(3px, var(--share) * 100%);
        border-radius: 2px;
        background: var(--ink-faint);
      }
      .bar.call i {
        background: var(--series-0);
      }
      .bar.reward i {
        background: var(--series-1);
      }
      :is(.bar.emission, .bar.operation) i {
        background: var(--series-2);
      }
      :is(.bar.wrong, .bar.exception) i {
        background: var(--error);
      }
      .time {
        text-align: end;
        font-variant-numeric: tabular-nums;
        color: var(--ink-quiet);
      }
      @container (max-width: 559px) {
        button.row {
          grid-template-columns: minmax(0, 1fr) auto;
        }
        .bar {
          grid-column: 1 / -1;
          grid-row: 2;
        }
      }
    `,
  ];

  /** Null while they are being read. */
  declare spans: readonly Span[] | null;
  declare tokenizer: Tokenizer | null;
  /** Ids of the spans whose details are shown. */
  declare opened: ReadonlySet<string>;

  constructor() {
    super();
    this.spans = null;
    this.tokenizer = null;
    this.opened = new Set();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("spans") || !this.spans) return;
    // What the model said is what one came for.
    const call = traceRows(this.spans).findLast(({ kind }) => kind === "call");
    this.opened = new Set(call ? [call.span.spanId] : []);
  }

  #toggle(id: string): void {
    const opened = new Set(this.opened);
    if (!opened.delete(id)) opened.add(id);
    this.opened = opened;
  }

  override render(): TemplateResult {
    const { spans } = this;
    if (!spans) return html`<p aria-busy="true">Reading…</p>`;
    if (spans.length === 0) return html`<p>No trace was kept of this rollout.</p>`;
    const rows = traceRows(spans);
    const whole =
      Math.max(...spans.map(({ endTime }) => endTime)) - Math.min(...spans.map(({ startTime }) => startTime));
    return html`<p>${counted(spans.length, "span")}, ${formatSpan(whole)} in all.</p>
      <ol>
        ${rows.map((row) => this.#row(row))}
      </ol>`;
  }

  #row(row: TraceRow): TemplateResult {
    const { span, kind } = row;
    const open = this.opened.has(span.spanId);
    const wrong = span.status === "error";
    return html`<li>
      <button
        class="bare row"
        aria-expanded=${open ? "true" : "false"}
        @click=${() => {
          this.#toggle(span.spanId);
        }}
      >
        <span class="what" style=${`--depth: ${row.depth}`}>
          ${icon("chevron")}<span class=${wrong ? "wrong" : ""}>${kindWords[kind]}</span
          ><small>${figures(row)}</small>
        </span>
        <span
          class=${`bar ${kind} ${wrong ? "wrong" : ""}`}
          style=${`--from: ${row.from.toFixed(4)}; --share: ${row.share.toFixed(4)}`}
          aria-hidden="true"
          ><i></i
        ></span>
        <span class="time">${formatSpan(span.endTime - span.startTime)}</span>
      </button>
      ${open ? spanDetails(row, this.tokenizer) : nothing}
    </li>`;
  }
}

/** What a closed row already says. */
function figures({ span, kind }: TraceRow): string {
  switch (kind) {
    case "call": {
      const { tokens } = span;
      return tokens
        ? `${formatCount(tokens.promptIds.length)} tokens read, ${formatCount(tokens.responseIds.length)} written`
        : span.status === "error"
          ? "refused"
          : "";
    }
    case "reward":
      return rewardWords(span, formatFigure);
    case "operation":
    case "exception":
    case "emission":
      return `${emissionOf(span).name} ${emissionOf(span).value}`;
    case "rollout":
      return span.status === "error" ? "failed" : "";
  }
}

customElements.define("fulgurite-trace", FulguriteTrace);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-trace": FulguriteTrace;
  }
}
