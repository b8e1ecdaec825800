import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { Run, StoreUsage } from "../../store/records.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { counted, formatBytes, formatDateTime } from "../format.ts";
import { base } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import { FollowStore } from "./follow-store.ts";
import "./retention-form.ts";
import type { StoreSource } from "./store-source.ts";
import "./sure-button.ts";
import "./workspace-files.ts";

/** `<fulgurite-usage>`: what the store uses of the disk, run by run. Dispatches "fulgurite-deleted". */
export class FulguriteUsage extends LitElement {
  static override properties = {
    source: { attribute: false },
    usage: { state: true },
    runs: { attribute: false },
    failure: { state: true },
  };

  static override styles = [
    base,
    errorNoteStyles,
    css`
      :host {
        display: block;
        font-size: var(--size-small);
        line-height: 20px;
      }
      p {
        margin: 0;
        padding-block: 8px;
        color: var(--ink-quiet);
      }
      ol {
        margin: 0;
        padding: 0;
        list-style: none;
        border-block-end: 1px solid var(--hairline);
      }
      li {
        display: grid;
        grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) 80px auto;
        align-items: center;
        gap: 16px;
        min-block-size: 56px;
        padding-block: 8px;
        border-block-start: 1px solid var(--hairline);
      }
      h3 {
        margin: 32px 0 4px;
        font: 650 0.9375rem / 24px var(--font-text);
      }
      .name :is(b, small) {
        display: block;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
        font: inherit;
      }
      .name small {
        white-space: normal;
        color: var(--ink-quiet);
      }
      .bar {
        block-size: 8px;
        border-radius: 2px;
        background: linear-gradient(var(--series-0), var(--series-0)) 0 / calc(var(--share) * 100%) 100%
          no-repeat var(--surface);
      }
      .bytes {
        text-align: end;
        font-variant-numeric: tabular-nums;
      }
      @media (max-width: 559px) {
        li {
          grid-template-columns: minmax(0, 1fr) auto auto;
        }
        .bar {
          display: none;
        }
      }
    `,
  ];

  declare source: StoreSource | null;
  declare usage: StoreUsage | null;
  /** Newest first. */
  declare runs: readonly Run[];
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.source = null;
    this.usage = null;
    this.runs = [];
    this.failure = null;
    new FollowStore(
      this,
      () => true,
      () => void this.#read(),
    );
  }

  protected override firstUpdated(): void {
    void this.#read();
  }

  async #read(): Promise<void> {
    try {
      this.usage = (await this.source?.usage()) ?? null;
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  async #delete(runId: string): Promise<void> {
    this.failure = null;
    try {
      await this.source?.deleteRun(runId);
      this.dispatchEvent(new Event("fulgurite-deleted", { bubbles: true, composed: true }));
      await this.#read();
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  override render(): TemplateResult {
    const { usage } = this;
    if (!usage)
      return html`${this.failure ? errorNote(this.failure) : html`<p aria-busy="true">Reading…</p>`}`;
    const most = Math.max(1, ...usage.runs.map(({ bytes }) => bytes));
    const quota = usage.quota === null ? "" : ` of the ${formatBytes(usage.quota)} that the browser allows`;
    const kept = usage.persisted
      ? "The browser has promised to keep it."
      : "The browser may delete it when the disk is full; Safari does after seven days without a visit.";
    return html`<p>${formatBytes(usage.bytes)}${quota}. ${kept}</p>
      ${this.failure ? errorNote(this.failure) : nothing}
      <ol>
        ${usage.runs.map(
          ({ runId, name, bytes }) =>
            html`<li>
              <span class="name"
                ><b>${name}</b><small>${runWords(this.runs.find(({ id }) => id === runId))}</small></span
              >
              <span class="bar" style=${`--share: ${(bytes / most).toFixed(3)}`} aria-hidden="true"></span>
              <span class="bytes">${formatBytes(bytes)}</span>
              <fulgurite-sure-button @fulgurite-sure=${() => this.#delete(runId)}></fulgurite-sure-button>
            </li>`,
        )}
      </ol>
      ${
        this.runs.length > 0
          ? html`<h3>Keep less</h3>
              <fulgurite-retention .source=${this.source} .runs=${this.runs}></fulgurite-retention>`
          : nothing
      }
      <h3>All in one file</h3>
      <fulgurite-workspace-files .source=${this.source}></fulgurite-workspace-files>`;
  }
}

/** What else tells a run from its namesakes: how far it came, and when it was begun. */
function runWords(run: Run | undefined): string {
  if (!run) return "";
  const { status, kind, step, createdAt } = run;
  const made = kind === "simulated" ? counted(step, "step") : counted(step, "rollout");
  return [status, ...(step > 0 ? [made] : []), formatDateTime(createdAt)].join(", ");
}

customElements.define("fulgurite-usage", FulguriteUsage);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-usage": FulguriteUsage;
  }
}
