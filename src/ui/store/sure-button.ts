import { css, html, LitElement, type TemplateResult } from "lit";
import { base, buttons } from "../tokens.css.ts";

/** `<fulgurite-sure-button>`: a button that asks once more before it means it. Dispatches "fulgurite-sure". */
export class FulguriteSureButton extends LitElement {
  static override properties = {
    label: {},
    question: {},
    disabled: { type: Boolean },
    asking: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: inline-block;
      }
    `,
  ];

  declare label: string;
  /** What it says instead, once pressed, until it loses the focus. */
  declare question: string;
  declare disabled: boolean;
  declare asking: boolean;

  constructor() {
    super();
    this.label = "Delete";
    this.question = "Delete for good?";
    this.disabled = false;
    this.asking = false;
  }

  #press(): void {
    this.asking = !this.asking;
    if (!this.asking) this.dispatchEvent(new Event("fulgurite-sure"));
  }

  override render(): TemplateResult {
    return html`<button ?disabled=${this.disabled} @click=${this.#press} @blur=${() => (this.asking = false)}>
      ${this.asking ? this.question : this.label}
    </button>`;
  }
}

customElements.define("fulgurite-sure-button", FulguriteSureButton);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-sure-button": FulguriteSureButton;
  }
}
