import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { Rollout, Span } from "../store/records.ts";
import { formatCount, formatSigned } from "./format.ts";
import { rewardBar, rewardBarStyles } from "./reward-bar.ts";
import { leftOut, outcome, valueText } from "./rollout-words.ts";
import { advantageOutline, tokenChips, tokenChipStyles, tokenScale } from "./token-chips.ts";
import { base, buttons } from "./tokens.css.ts";

/** The person wants to see another sibling's trace. */
export class SiblingEvent extends Event {
  readonly rollout: Rollout;
  constructor(rollout: Rollout) {
    super("fulgurite-sibling");
    this.rollout = rollout;
  }
}

/**
 * `<fulgurite-siblings>`: the answers of one group under each other, token by token: coloured by log-probability,
 * outlined by advantage. Dispatches "fulgurite-sibling".
 */
export class FulguriteSiblings extends LitElement {
  static override properties = {
    siblings: { attribute: false },
    spans: { attribute: false },
    tokenizer: { attribute: false },
    chosen: {},
  };

  static override styles = [
    base,
    buttons,
    rewardBarStyles,
    tokenChipStyles,
    css`
      :host {
        display: block;
        container-type: inline-size;
        font-size: var(--size-small);
        line-height: 24px;
      }
      ol {
        margin: 8px 0;
        padding: 0;
        list-style: none;
        border-block-end: 1px solid var(--hairline);
      }
      button {
        display: grid;
        grid-template-columns: 56px minmax(0, 1fr) 96px 56px;
        align-items: center;
        gap: 0 16px;
        inline-size: 100%;
        min-block-size: 44px;
        padding: 6px 8px;
        border: 0;
        border-block-start: 1px solid var(--hairline);
        border-inline-start: 2px solid transparent;
        border-radius: 0;
        font-weight: 400;
        line-height: 24px;
        text-align: start;
        white-space: normal;
      }
      button[aria-pressed="true"] {
        border-inline-start-color: var(--accent);
        background: var(--surface);
      }
      .number,
      .none {
        color: var(--ink-quiet);
      }
      .number {
        font-variant-numeric: tabular-nums;
      }
      .calls {
        display: grid;
        gap: 4px;
        justify-items: start;
      }
      .text {
        font-family: var(--font-code);
        overflow-wrap: anywhere;
      }
      .advantage {
        text-align: end;
        font-variant-numeric: tabular-nums;
      }
      .advantage.better {
        color: var(--accent-ink);
        font-weight: 600;
      }
      @container (max-width: 559px) {
        button {
          grid-template-columns: minmax(0, 1fr) 48px 56px;
          gap: 0 8px;
        }
        .number {
          grid-column: 1 / -1;
        }
        .reward-bar i {
          display: none;
        }
      }
    `,
  ];

  declare siblings: readonly Rollout[];
  /** Spans by rollout; a rollout whose spans are not known shows its result. */
  declare spans: ReadonlyMap<string, readonly Span[]>;
  declare tokenizer: Tokenizer | null;
  /** Id of the sibling whose trace is shown. */
  declare chosen: string;

  constructor() {
    super();
    this.siblings = [];
    this.spans = new Map();
    this.tokenizer = null;
    this.chosen = "";
  }

  override render(): TemplateResult {
    const largest = Math.max(0, ...this.siblings.map(({ advantage }) => Math.abs(advantage ?? 0)));
    const tokens = [...this.spans.values()].flat().some((span) => span.tokens);
    return html`<ol>
        ${this.siblings.map((rollout) => this.#sibling(rollout, largest))}
      </ol>
      ${tokens ? tokenScale(largest > 0) : nothing}`;
  }

  #sibling(rollout: Rollout, largest: number): TemplateResult {
    const { reward, advantage } = rollout;
    return html`<li>
      <button
        aria-pressed=${rollout.id === this.chosen ? "true" : "false"}
        title="Show its trace"
        @click=${() => this.dispatchEvent(new SiblingEvent(rollout))}
      >
        <span class="number">${formatCount(rollout.number)}</span>
        <span class="calls">${this.#answer(rollout, largest)}</span>
        <span class="advantage">${reward === null ? "no reward" : rewardBar(reward)}</span>
        <span class=${(advantage ?? 0) > 0 ? "advantage better" : "advantage"}
          >${formatSigned(advantage)}</span
        >
      </button>
    </li>`;
  }

  #answer(rollout: Rollout, largest: number): TemplateResult | readonly TemplateResult[] {
    const { name, style } = advantageOutline(rollout.advantage, largest);
    const calls = (this.spans.get(rollout.id) ?? []).flatMap(({ tokens, attemptId }) =>
      tokens ? [{ tokens, attemptId }] : [],
    );
    // Only the last attempt counts; what failed before it was never trained on.
    const attempt = calls.at(-1)?.attemptId;
    const counted = calls.filter(({ attemptId }) => attemptId === attempt);
    const failed = leftOut(rollout) ? html`<span class="none">${outcome(rollout)}</span>` : null;
    if (counted.length === 0) return failed ?? html`<span class="text">${valueText(rollout.result)}</span>`;
    const chips = counted.map(
      ({ tokens }) =>
        html`<span class=${name} style=${style}
          >${tokenChips(tokens.responseIds, tokens.logProbabilities, this.tokenizer)}</span
        >`,
    );
    return failed ? [failed, ...chips] : chips;
  }
}

customElements.define("fulgurite-siblings", FulguriteSiblings);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-siblings": FulguriteSiblings;
  }
  interface HTMLElementEventMap {
    "fulgurite-sibling": SiblingEvent;
  }
}
