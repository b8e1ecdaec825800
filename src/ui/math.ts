import { css, html, LitElement, type PropertyValues, type TemplateResult } from "lit";

/**
 * `<fulgurite-math>`: a formula as MathML. Shows its source until Temml has loaded, and where it cannot be read. Temml
 * builds elements and writes no HTML; links and images in formulas are off.
 */
export class FulguriteMath extends LitElement {
  static override properties = { source: {}, display: { type: Boolean, reflect: true } };

  static override styles = css`
    :host([display]) {
      display: block;
      margin-block: 16px;
      overflow-x: auto;
    }
    math {
      font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", math;
      font-size: 1.05em;
    }
  `;

  declare source: string;
  declare display: boolean;

  constructor() {
    super();
    this.source = "";
    this.display = false;
  }

  override render(): TemplateResult {
    return html`<span></span>`;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("source") || changed.has("display")) void this.#show();
  }

  async #show(): Promise<void> {
    const { source, display } = this;
    const place = this.renderRoot.querySelector("span")!;
    place.textContent = source;
    const { default: temml } = await import("temml");
    if (source !== this.source || display !== this.display) return;
    try {
      temml.render(source, place, { displayMode: display, throwOnError: true, trust: false });
    } catch (error) {
      place.textContent = source;
      place.title = error instanceof Error ? error.message : String(error);
    }
  }
}

customElements.define("fulgurite-math", FulguriteMath);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-math": FulguriteMath;
  }
}
