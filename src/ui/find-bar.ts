import { css, html, LitElement, type TemplateResult } from "lit";
import { icon } from "./icons.ts";
import { findAll, replaceAll, type Match } from "./replace.ts";
import type { FulguriteNotebook } from "./notebook.ts";
import { base, buttons } from "./tokens.css.ts";

/** `<fulgurite-find>`: finds a text in all cells, also in folded ones, and replaces it. One step of undo. */
export class FulguriteFind extends LitElement {
  static override properties = {
    notebook: { attribute: false },
    query: { state: true },
    replacement: { state: true },
    at: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        position: fixed;
        z-index: 3;
        inset-block-start: 56px;
        inset-inline-end: max(8px, (100vw - var(--wide)) / 2);
      }
      form {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 6px;
        max-inline-size: calc(100vw - 16px);
        padding: 8px;
        border: 1px solid var(--hairline);
        border-radius: 8px;
        background: var(--raised);
        box-shadow: 0 8px 24px rgb(0 0 0 / 0.12);
        font-size: var(--size-small);
      }
      input {
        inline-size: 160px;
        min-block-size: 32px;
        padding: 4px 8px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--paper);
        color: var(--ink);
        font: inherit;
      }
      @media (max-width: 640px) {
        form {
          max-inline-size: 340px;
        }
        [aria-label="Replace with"],
        [aria-label="Replace with"] ~ button:not(.bare) {
          order: 1;
        }
      }
      output {
        min-inline-size: 64px;
        text-align: center;
        color: var(--ink-quiet);
        font-variant-numeric: tabular-nums;
      }
    `,
  ];

  declare notebook: FulguriteNotebook;
  declare query: string;
  declare replacement: string;
  declare at: number;

  /** The match that the last jump leads to; `at` follows once it is there and has the focus back. */
  #goal = -1;

  constructor() {
    super();
    this.query = "";
    this.replacement = "";
    this.at = -1;
  }

  override focus(): void {
    const input = this.renderRoot.querySelector("input");
    input?.focus();
    input?.select();
  }

  #matches(): Match[] {
    return findAll(this.notebook.cells, this.query);
  }

  async #go(by: number): Promise<void> {
    const matches = this.#matches();
    if (matches.length === 0) return;
    const goal = (this.#goal + by + matches.length) % matches.length;
    this.#goal = goal;
    const match = matches[goal]!;
    await this.notebook.reveal(match.cell, match.from, match.to);
    if (goal !== this.#goal) return;
    this.at = goal;
    this.renderRoot.querySelector("input")?.focus({ preventScroll: true });
  }

  #replace(matches: readonly Match[]): void {
    const { cells } = this.notebook;
    const readonly = new Set(cells.filter((cell) => cell.readonly).map(({ id }) => id));
    const own = matches.filter(({ cell }) => !readonly.has(cell));
    if (own.length === 0) return;
    this.notebook.applyQuietly({ kind: "sources", sources: replaceAll(cells, own, this.replacement) });
    this.at = Math.max(-1, this.at - own.length);
    this.#goal = this.at;
    this.requestUpdate();
  }

  /** The keys go on in the text that was found, or where they were. */
  #close(): void {
    this.remove();
    if (this.at >= 0 && this.notebook.cell?.readonly === false) this.notebook.editText();
    else this.notebook.select(this.notebook.index, { preventScroll: true });
  }

  #onKeydown(event: KeyboardEvent): void {
    if (event.key === "Escape") this.#close();
    else if (event.key === "Enter") void this.#go(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  override render(): TemplateResult {
    const matches = this.#matches();
    const words =
      this.query === ""
        ? ""
        : matches.length === 0
          ? "nothing"
          : this.at < 0
            ? `${matches.length} found`
            : `${Math.min(this.at + 1, matches.length)} of ${matches.length}`;
    const current = matches[this.at];
    return html`<form
      role="search"
      aria-label="Find in the cells"
      @keydown=${this.#onKeydown}
      @submit=${(event: Event) => {
        event.preventDefault();
      }}
    >
      <input
        type="search"
        aria-label="Find"
        placeholder="Find"
        .value=${this.query}
        @input=${(event: Event) => {
          this.query = (event.target as HTMLInputElement).value;
          this.at = -1;
          this.#goal = -1;
        }}
      />
      <output aria-live="polite">${words}</output>
      <button type="button" class="bare" aria-label="Next" title="Next (Enter)" @click=${() => this.#go(1)}>
        ${icon("down")}
      </button>
      <input
        type="text"
        aria-label="Replace with"
        placeholder="Replace with"
        .value=${this.replacement}
        @input=${(event: Event) => (this.replacement = (event.target as HTMLInputElement).value)}
      />
      <button
        type="button"
        ?disabled=${!current}
        @click=${() => {
          if (current) this.#replace([current]);
        }}
      >
        Replace
      </button>
      <button
        type="button"
        ?disabled=${matches.length === 0}
        @click=${() => {
          this.#replace(matches);
        }}
      >
        All
      </button>
      <button
        type="button"
        class="bare"
        aria-label="Close"
        @click=${() => {
          this.#close();
        }}
      >
        ${icon("close")}
      </button>
    </form>`;
  }
}

customElements.define("fulgurite-find", FulguriteFind);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-find": FulguriteFind;
  }
}
