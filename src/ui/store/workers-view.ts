import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { Worker } from "../../store/lightning-records.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { formatDateTime } from "../format.ts";
import { base } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import { FollowStore } from "./follow-store.ts";
import type { StoreSource } from "./store-source.ts";

const words = { busy: "busy", idle: "idle", unknown: "not heard of" } as const;

const when = (time: number | null): string => (time === null ? "–" : formatDateTime(time));

/** `<fulgurite-workers>`: who takes rollouts from the queue, and what each is at. */
export class FulguriteWorkers extends LitElement {
  static override properties = {
    source: { attribute: false },
    workers: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    errorNoteStyles,
    css`
      :host {
        display: block;
        overflow-x: auto;
        padding-block-start: 16px;
        font-size: var(--size-small);
        line-height: 20px;
      }
      p {
        max-inline-size: 640px;
        margin: 0;
        color: var(--ink-quiet);
      }
      table {
        inline-size: 100%;
        min-inline-size: 720px;
        border-collapse: collapse;
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 8px 16px 8px 0;
        border-block-end: 1px solid var(--hairline);
        text-align: start;
        font-weight: 400;
      }
      thead th {
        color: var(--ink-quiet);
      }
      tbody th,
      .said {
        font-family: var(--font-code);
        overflow-wrap: anywhere;
      }
    `,
  ];

  declare source: StoreSource | null;
  declare workers: readonly Worker[] | null;
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.source = null;
    this.workers = null;
    this.failure = null;
    // A worker changes with what it takes and ends, too.
    new FollowStore(
      this,
      ({ kinds }) => kinds.includes("workers") || kinds.includes("rollouts"),
      () => void this.#read(),
    );
  }

  protected override firstUpdated(): void {
    void this.#read();
  }

  async #read(): Promise<void> {
    try {
      this.workers = (await this.source?.workers()) ?? [];
      this.failure = null;
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  override render(): TemplateResult {
    const { workers } = this;
    if (this.failure) return errorNote(this.failure);
    if (!workers) return html`<p aria-busy="true">Reading…</p>`;
    if (workers.length === 0)
      return html`<p>
        No worker has asked for a rollout yet. Training runs in this page make their rollouts themselves and
        need none. Whoever takes rollouts from the store's queue shows up here, with its last sign of life: a
        runner of Agent Lightning, or a program of yours, that talks to <code>createStoreHandler</code> over
        this store.
      </p>`;
    return html`<table>
      <thead>
        <tr>
          ${["Worker", "State", "Rollout", "Sign of life", "Asked for work", "Says of itself"].map(
            (title) => html`<th scope="col">${title}</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${workers.map(
          ({ id, status, rolloutId, lastHeartbeat, lastDequeue, heartbeatStats }) =>
            html`<tr>
              <th scope="row">${id}</th>
              <td>${words[status]}</td>
              <td>${rolloutId ?? "–"}</td>
              <td>${when(lastHeartbeat)}</td>
              <td>${when(lastDequeue)}</td>
              <td class="said">${heartbeatStats ? JSON.stringify(heartbeatStats) : nothing}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
  }
}

customElements.define("fulgurite-workers", FulguriteWorkers);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-workers": FulguriteWorkers;
  }
}
