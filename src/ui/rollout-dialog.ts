import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../gpu/error.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { Rollout, Run, Span } from "../store/records.ts";
import type { Job, PolicyConfig } from "../train/job.ts";
import { plainTokenizer } from "../train/plain-tokenizer.ts";
import { policyTokenizer } from "../train/policy-tokenizer.ts";
import { attemptStyles, attemptTable } from "./attempts.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { formatCount, formatFigure } from "./format.ts";
import { icon } from "./icons.ts";
import type { RolloutSource } from "./rollout-source.ts";
import { groupWords, leftOut, outcome, valueText } from "./rollout-words.ts";
import "./siblings.ts";
import type { SiblingEvent } from "./siblings.ts";
import { base, buttons } from "./tokens.css.ts";
import "./trace.ts";
import { asError } from "./trainer-client.ts";

/** `<fulgurite-rollout-dialog>`: one rollout over the page: its siblings side by side, then its own trace. */
export class FulguriteRolloutDialog extends LitElement {
  static override properties = {
    source: { attribute: false },
    run: { attribute: false },
    rollout: { state: true },
    siblings: { state: true },
    spans: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    attemptStyles,
    css`
      dialog {
        inline-size: min(calc(var(--column) + 96px), 100vw);
        max-inline-size: none;
        block-size: 100dvh;
        max-block-size: none;
        margin: 0 0 0 auto;
        padding: 0 clamp(16px, 4vw, 40px) 48px;
        border: 0;
        border-inline-start: 1px solid var(--hairline);
        background: var(--paper);
        color: var(--ink);
        font-size: var(--size-small);
        line-height: 24px;
        overflow-x: clip;
      }
      dialog::backdrop {
        background: color-mix(in oklab, var(--paper) 72%, transparent);
      }
      header {
        position: sticky;
        inset-block-start: 0;
        z-index: 1;
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 16px;
        min-block-size: 56px;
        background: var(--paper);
      }
      h2 {
        margin: 0;
        font: 650 1rem / 24px var(--font-text);
      }
      h2 small {
        font: 400 var(--size-small) / 24px var(--font-text);
        color: var(--ink-quiet);
        padding-inline-start: 8px;
      }
      h3 {
        margin: 32px 0 0;
        font: 650 0.9375rem / 24px var(--font-text);
      }
      p {
        margin: 0;
        color: var(--ink-quiet);
      }
      .task {
        padding-block: 4px 8px;
        font: 500 1.375rem / 32px var(--font-code);
        color: var(--ink);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      .failed {
        color: var(--error);
        overflow-wrap: anywhere;
      }
      dl {
        display: flex;
        flex-wrap: wrap;
        gap: 0 24px;
        margin: 0;
        color: var(--ink-quiet);
      }
      dl div {
        display: flex;
        gap: 8px;
      }
      dd {
        margin: 0;
        color: var(--ink);
        font-variant-numeric: tabular-nums;
      }
    `,
  ];

  declare source: RolloutSource | null;
  declare run: Run | null;
  declare rollout: Rollout | null;
  declare siblings: readonly Rollout[];
  /** Spans by rollout. */
  declare spans: ReadonlyMap<string, readonly Span[]>;
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.source = null;
    this.run = null;
    this.rollout = null;
    this.siblings = [];
    this.spans = new Map();
    this.failure = null;
  }

  /** Opens over the page, and reads the rollout's siblings and what all of them did. */
  async show(rollout: Rollout): Promise<void> {
    this.rollout = rollout;
    this.siblings = [rollout];
    this.spans = new Map();
    this.failure = null;
    await this.updateComplete;
    this.renderRoot.querySelector("dialog")?.showModal();
    try {
      await this.#read(rollout);
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  async #read({ id, runId, group, update, mode }: Rollout): Promise<void> {
    const { source } = this;
    if (!source) return;
    const siblings = await source.rollouts({ runId, group, update, mode });
    if (this.rollout?.id !== id) return;
    this.siblings = siblings.length > 0 ? siblings : this.siblings;
    const all = await Promise.all(
      this.siblings.map(async (one) => [one.id, await source.spans({ runId, rolloutId: one.id })] as const),
    );
    if (this.siblings.some((one) => one.id === id)) this.spans = new Map(all);
  }

  /** Reads the policy's tokens where the run says in which alphabet they are. */
  #tokenizer(): Tokenizer | null {
    const job = this.run?.job as Job | undefined;
    if (job?.kind !== "agentic") return null;
    const { policy } = job;
    if (this.#known?.policy === policy) return this.#known.tokenizer;
    const known: KnownTokenizer = { policy, tokenizer: plainTokenizer(policy) };
    this.#known = known;
    if (!known.tokenizer) {
      // Without it tokens are shown by their ids.
      const show = (tokenizer: Tokenizer): void => {
        known.tokenizer = tokenizer;
        this.requestUpdate();
      };
      policyTokenizer(policy).then(show, () => undefined);
    }
    return known.tokenizer;
  }
  #known: KnownTokenizer | null = null;

  override render(): TemplateResult {
    const { rollout } = this;
    return html`<dialog aria-labelledby="title" closedby="any">
      ${rollout === null ? nothing : this.#content(rollout)}
    </dialog>`;
  }

  #content(rollout: Rollout): TemplateResult {
    const made =
      rollout.mode === "evaluation" ? "held-out evaluation" : `group ${formatCount(rollout.group)}`;
    const tokenizer = this.#tokenizer();
    return html`
      <header>
        <h2 id="title">
          Rollout ${formatCount(rollout.number)}<small>${made}, update ${formatCount(rollout.update)}</small>
        </h2>
        <form method="dialog"><button class="bare" aria-label="Close">${icon("close")}</button></form>
      </header>
      <p class="task">${valueText(rollout.task)}</p>
      ${
        leftOut(rollout)
          ? html`<p class="failed">
              Left out: it ${outcome(rollout)}${rollout.message === null ? "." : `. ${rollout.message}`}
            </p>`
          : nothing
      }
      ${components(rollout)} ${this.failure ? errorNote(this.failure) : nothing}
      ${
        this.siblings.length > 1
          ? html`<h3>Siblings</h3>
              <p>${groupWords(this.siblings)}</p>`
          : html`<h3>Answer</h3>`
      }
      <fulgurite-siblings
        .siblings=${this.siblings}
        .spans=${this.spans}
        .chosen=${rollout.id}
        .tokenizer=${tokenizer}
        @fulgurite-sibling=${(event: SiblingEvent) => (this.rollout = event.rollout)}
      ></fulgurite-siblings>
      ${attemptTable(rollout)}
      <h3>Trace</h3>
      <fulgurite-trace .spans=${this.spans.get(rollout.id) ?? null} .tokenizer=${tokenizer}></fulgurite-trace>
    `;
  }
}

function components({ components: parts }: Rollout): TemplateResult | typeof nothing {
  const entries = Object.entries(parts);
  if (entries.length < 2) return nothing;
  return html`<dl>
    ${entries.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${formatFigure(value)}</dd>
        </div>`,
    )}
  </dl>`;
}

/** Null until it has been loaded. */
interface KnownTokenizer {
  readonly policy: PolicyConfig;
  tokenizer: Tokenizer | null;
}

customElements.define("fulgurite-rollout-dialog", FulguriteRolloutDialog);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-rollout-dialog": FulguriteRolloutDialog;
  }
}
