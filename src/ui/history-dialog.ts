import { css, html, type TemplateResult } from "lit";
import "./diff.ts";
import { FulguriteDialog } from "./dialog.ts";
import { formatDateTime } from "./format.ts";
import type { Version } from "./library.ts";
import type { FulguriteNotebook } from "./notebook.ts";

/** `<fulgurite-history>`: what the notebook was before, what differs from now, and a way back. */
export class FulguriteHistory extends FulguriteDialog {
  static override properties = { versions: { state: true }, chosen: { state: true } };

  static override styles = [
    ...FulguriteDialog.styles,
    css`
      :host {
        --dialog-width: 820px;
      }
      .both {
        display: grid;
        grid-template-columns: 200px minmax(0, 1fr);
        gap: 24px;
      }
      .list {
        max-block-size: 420px;
        overflow-y: auto;
      }
      .list button {
        inline-size: 100%;
        justify-content: flex-start;
      }
      .list [aria-pressed="true"] {
        background: var(--accent-wash);
        forced-color-adjust: none;
        color: var(--ink);
      }
      @media (max-width: 639px) {
        .both {
          grid-template-columns: 1fr;
        }
      }
    `,
  ];

  declare notebook: FulguriteNotebook;
  declare versions: readonly (Version & { readonly title: string })[];
  declare chosen: number;
  protected readonly heading = "Earlier versions";

  constructor() {
    super();
    this.versions = [];
    this.chosen = 0;
  }

  override async show(): Promise<void> {
    const { library, session } = this.notebook;
    const kept = (await library?.versions()) ?? [];
    const original = library?.original ?? null;
    this.versions = [
      ...kept.map((version) => ({
        ...version,
        title: formatDateTime(version.savedAt),
      })),
      ...(original === null ? [] : [{ text: original, savedAt: 0, title: "As it came" }]),
    ].filter(({ text }) => text !== session?.text);
    await super.show();
  }

  protected override content(): TemplateResult {
    const version = this.versions[this.chosen];
    if (!version)
      return html`<p class="quiet">There is no other version yet. One is kept every few minutes.</p>`;
    return html`<div class="both">
        <div class="list">
          ${this.versions.map(
            ({ title }, i) =>
              html`<button
                class="bare"
                aria-pressed=${i === this.chosen ? "true" : "false"}
                @click=${() => (this.chosen = i)}
              >
                ${title}
              </button>`,
          )}
        </div>
        <div>
          <p class="quiet">What going back would change:</p>
          <fulgurite-diff .older=${this.notebook.session?.text ?? ""} .newer=${version.text}></fulgurite-diff>
        </div>
      </div>
      <p>
        <button
          class="primary"
          @click=${() => {
            this.close();
            this.notebook.apply({ kind: "replace", text: version.text });
          }}
        >
          Go back to this
        </button>
        <span class="quiet"> Undo takes you here again.</span>
      </p>`;
  }
}

customElements.define("fulgurite-history", FulguriteHistory);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-history": FulguriteHistory;
  }
}
