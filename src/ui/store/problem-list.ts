import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { StoreProblem } from "../../store/records.ts";
import { formatCount } from "../format.ts";
import { base } from "../tokens.css.ts";
import { FollowStore } from "./follow-store.ts";
import type { StoreSource } from "./store-source.ts";

/** `<fulgurite-store-problems>`: what went wrong in the store without stopping anybody, once there is something. */
export class FulguriteStoreProblems extends LitElement {
  static override properties = { source: { attribute: false }, problems: { state: true } };

  static override styles = [
    base,
    css`
      details {
        margin-block: 16px 8px;
        padding: 8px 16px;
        border-inline-start: 2px solid var(--error);
        background: var(--error-wash);
        font-size: var(--size-small);
        line-height: 24px;
      }
      summary {
        font-weight: 600;
        color: var(--error);
        cursor: pointer;
      }
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
        max-block-size: 240px;
        overflow-y: auto;
      }
      li {
        padding-block: 8px 0;
        overflow-wrap: anywhere;
      }
      li span {
        color: var(--ink-quiet);
      }
    `,
  ];

  declare source: StoreSource | null;
  declare problems: readonly StoreProblem[];

  constructor() {
    super();
    this.source = null;
    this.problems = [];
    new FollowStore(
      this,
      ({ kinds }) => kinds.includes("problems") || kinds.includes("runs"),
      () => void this.#read(),
    );
  }

  protected override firstUpdated(): void {
    void this.#read();
  }

  async #read(): Promise<void> {
    // Whoever cannot read the store is told so by the view below.
    this.problems = (await this.source?.problems().catch(() => null)) ?? this.problems;
  }

  override render(): TemplateResult | typeof nothing {
    const { problems } = this;
    if (problems.length === 0) return nothing;
    const count =
      problems.length === 1
        ? "1 part of the store is"
        : `${formatCount(problems.length)} parts of the store are`;
    return html`<details>
      <summary>${count} not as it should be; everything else is there</summary>
      <ul tabindex="0" aria-label="Problems">
        ${problems.map(
          ({ message, fix, code }) =>
            html`<li>
              ${message} <span>${fix} <code>${code}</code></span>
            </li>`,
        )}
      </ul>
    </details>`;
  }
}

customElements.define("fulgurite-store-problems", FulguriteStoreProblems);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-store-problems": FulguriteStoreProblems;
  }
}
