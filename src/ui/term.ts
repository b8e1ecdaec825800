import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { HyperParameter } from "./hyper-parameters.ts";
import "./math.ts";
import { base } from "./tokens.css.ts";

let terms = 0;

/**
 * `<fulgurite-term>`: a word that explains itself, with formula and source, while the pointer is over it, it has the focus,
 * or it was pressed. Escape puts the explanation away.
 */
export class FulguriteTerm extends LitElement {
  static override properties = { word: {}, about: { attribute: false }, open: { state: true } };

  static override styles = [
    base,
    css`
      :host {
        display: inline-block;
        position: relative;
      }
      button {
        padding: 0;
        border: 0;
        background: none;
        font: inherit;
        color: inherit;
        text-align: start;
        text-decoration: underline dotted var(--ink-faint);
        text-underline-offset: 0.25em;
        cursor: help;
      }
      [role="tooltip"] {
        position: fixed;
        inset: auto;
        margin: 0;
        z-index: 20;
        inline-size: max-content;
        max-inline-size: min(400px, calc(100vw - 32px));
        padding: 8px 16px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--raised);
        color: var(--ink);
        font: 400 var(--size-small) / 24px var(--font-text);
        overflow-x: auto;
      }
      [role="tooltip"] small {
        display: block;
        font-size: inherit;
        color: var(--ink-quiet);
      }
      fulgurite-math {
        display: block;
        margin-block: 4px;
      }
    `,
  ];

  declare word: string;
  declare about: HyperParameter | null;
  declare open: boolean;
  readonly #id = `term-${++terms}`;

  constructor() {
    super();
    this.word = "";
    this.about = null;
    this.open = false;
    this.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "touch") this.open = true;
    });
    this.addEventListener("pointerleave", () => (this.open = false));
    this.addEventListener("focusin", () => (this.open = true));
    this.addEventListener("focusout", () => (this.open = false));
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.open) return;
      event.stopPropagation();
      this.open = false;
    });
  }

  /** In the top layer, so that nothing cuts it off. */
  protected override updated(): void {
    const tip = this.renderRoot.querySelector<HTMLElement>("[role=tooltip]");
    if (!tip) return;
    if (!tip.matches(":popover-open")) tip.showPopover();
    const place = (): void => {
      const at = this.getBoundingClientRect();
      const { width, height } = tip.getBoundingClientRect();
      const above = at.bottom + 4 + height > innerHeight;
      tip.style.left = `${Math.max(16, Math.min(at.left, innerWidth - width - 16))}px`;
      tip.style.top = `${above ? Math.max(8, at.top - height - 4) : at.bottom + 4}px`;
    };
    place();
    // The formula comes a moment later, and is higher than its source.
    setTimeout(place, 60);
  }

  override render(): TemplateResult {
    const { about, open, word } = this;
    if (!about) return html`${word}`;
    return html`<button
        type="button"
        aria-describedby=${open ? this.#id : nothing}
        @click=${() => (this.open = true)}
      >
        ${word}</button
      >${
        open
          ? html`<div role="tooltip" id=${this.#id} popover="manual">
              ${about.words}
              ${about.formula === undefined ? nothing : html`<fulgurite-math .source=${about.formula}></fulgurite-math>`}
              <small>${about.source}</small>
            </div>`
          : nothing
      }`;
  }
}

customElements.define("fulgurite-term", FulguriteTerm);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-term": FulguriteTerm;
  }
}
