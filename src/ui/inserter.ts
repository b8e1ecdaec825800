import { css, html, LitElement, type TemplateResult } from "lit";
import type { CellKind } from "../notebook/session-types.ts";
import { icon } from "./icons.ts";
import { base, buttons } from "./tokens.css.ts";

/** The person wants a new cell at this index. */
export class InsertEvent extends Event {
  readonly at: number;
  readonly cell: CellKind;
  constructor(at: number, cell: CellKind) {
    super("fulgurite-insert", { bubbles: true, composed: true });
    this.at = at;
    this.cell = cell;
  }
}

/** `<fulgurite-inserter>`: the gap between two cells, where a new one can be put. Its buttons show where the pointer is. */
export class FulguriteInserter extends LitElement {
  static override properties = { at: { type: Number }, open: { type: Boolean, reflect: true } };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        block-size: 24px;
        position: relative;
      }
      :host(.last) {
        block-size: 48px;
      }
      div {
        position: absolute;
        inset: 0;
        inline-size: min(var(--column), 100% - 32px);
        margin-inline: auto;
        display: flex;
        align-items: center;
        justify-content: center;
        gap: 4px;
        opacity: 0;
      }
      div::before,
      div::after {
        content: "";
        flex: 1;
        block-size: 1px;
        background: var(--hairline);
      }
      :host(:hover) div,
      :host(:focus-within) div,
      :host([open]) div {
        opacity: 1;
      }
      button.bare {
        min-block-size: 22px;
        min-inline-size: 0;
        padding: 2px 8px 2px 6px;
        gap: 4px;
        background: var(--paper);
      }
      svg.icon {
        inline-size: 12px;
        block-size: 12px;
      }
      @media (prefers-reduced-motion: no-preference) {
        div {
          transition: opacity 100ms 60ms;
        }
      }
      @media (hover: none) {
        :host(.last) div {
          opacity: 1;
        }
      }
    `,
  ];

  declare at: number;
  /** Shows its buttons without being asked. */
  declare open: boolean;

  constructor() {
    super();
    this.at = 0;
    this.open = false;
  }

  #button(cell: CellKind, word: string): TemplateResult {
    return html`<button
      class="bare"
      tabindex=${this.open ? 0 : -1}
      title=${`Add a ${word.toLowerCase()} cell here`}
      aria-label=${`Add a ${word.toLowerCase()} cell at place ${this.at + 1}`}
      @click=${() => this.dispatchEvent(new InsertEvent(this.at, cell))}
    >
      ${icon("plus")}${word}
    </button>`;
  }

  override render(): TemplateResult {
    return html`<div>${this.#button("code", "Code")} ${this.#button("md", "Text")}</div>`;
  }
}

customElements.define("fulgurite-inserter", FulguriteInserter);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-inserter": FulguriteInserter;
  }
  interface HTMLElementEventMap {
    "fulgurite-insert": InsertEvent;
  }
}
