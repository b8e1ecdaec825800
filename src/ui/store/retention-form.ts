import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { Run } from "../../store/records.ts";
import { expiredRuns, type Removed, type Retention } from "../../store/retention.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { counted } from "../format.ts";
import { base, fields } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import type { StoreSource } from "./store-source.ts";
import "./sure-button.ts";

const day = 86_400_000;

/** `<fulgurite-retention>`: deletes what is beyond a number of runs, or older than some days, when asked. */
export class FulguriteRetention extends LitElement {
  static override properties = {
    source: { attribute: false },
    runs: { attribute: false },
    newest: { state: true },
    days: { state: true },
    busy: { state: true },
    removed: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    fields,
    errorNoteStyles,
    css`
      form {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px;
        margin: 0;
        padding-block: 4px;
      }
      label {
        display: inline-flex;
        align-items: center;
        gap: 8px;
        margin-inline-end: auto;
      }
      input:not([type="checkbox"]) {
        inline-size: 72px;
      }
      p {
        margin: 0;
        padding-block: 4px;
        color: var(--ink-quiet);
      }
    `,
  ];

  declare source: StoreSource | null;
  /** Newest first. */
  declare runs: readonly Run[];
  declare newest: number;
  declare days: number;
  declare busy: boolean;
  declare removed: Removed | null;
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.source = null;
    this.runs = [];
    this.newest = 20;
    this.days = 30;
    this.busy = false;
    this.removed = null;
    this.failure = null;
  }

  async #retain(retention: Retention): Promise<void> {
    this.busy = true;
    this.failure = null;
    this.removed = null;
    try {
      this.removed = (await this.source?.retain(retention)) ?? null;
    } catch (error) {
      this.failure = asError(error).toData();
    } finally {
      this.busy = false;
    }
  }

  override render(): TemplateResult {
    const number = (value: number, change: (value: number) => void): TemplateResult =>
      html`<input
        type="number"
        min="1"
        required
        .value=${String(value)}
        @input=${({ target }: Event) => {
          const given = (target as HTMLInputElement).valueAsNumber;
          if (given >= 1) change(Math.floor(given));
        }}
      />`;
    return html`${this.#rule(
        html`<label>Keep the newest ${number(this.newest, (value) => (this.newest = value))} runs</label>`,
        "Delete the others",
        { runs: this.newest },
      )}
      ${this.#rule(
        html`<label
          >Keep what is younger than ${number(this.days, (value) => (this.days = value))} days</label
        >`,
        "Delete the older",
        { age: this.days * day },
      )}
      ${this.failure ? errorNote(this.failure) : nothing}
      <p role="status">${this.removed ? removedWords(this.removed) : nothing}</p>`;
  }

  #rule(label: TemplateResult, words: string, retention: Retention): TemplateResult {
    const count = expiredRuns(this.runs, retention, Date.now()).length;
    return html`<form
      @submit=${(event: Event) => {
        event.preventDefault();
      }}
    >
      ${label}
      <fulgurite-sure-button
        .label=${words}
        .question=${`Delete ${counted(count, "run")} for good?`}
        .disabled=${this.busy || (count === 0 && retention.age === undefined)}
        @fulgurite-sure=${() => this.#retain(retention)}
      ></fulgurite-sure-button>
    </form>`;
  }
}

const removedWords = ({ runs, rollouts }: Removed): string =>
  `Deleted ${counted(runs.length, "run")}${rollouts > 0 ? ` and ${counted(rollouts, "rollout")} of the queue` : ""}.`;

customElements.define("fulgurite-retention", FulguriteRetention);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-retention": FulguriteRetention;
  }
}
