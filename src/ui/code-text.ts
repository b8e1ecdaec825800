import { css, html, LitElement, type PropertyValues, type TemplateResult } from "lit";
import type { Stretch } from "./highlight.ts";
import { base, codeColours } from "./tokens.css.ts";
import { turn } from "./turn.ts";

/**
 * `<fulgurite-code-text>`: code to read. Shows plain text at once and colours it when the highlighter has
 * loaded. `language` "ts" is highlighted, anything else stays plain.
 */
export class FulguriteCodeText extends LitElement {
  static override properties = { source: {}, language: {}, stretches: { state: true } };

  static override styles = [
    base,
    codeColours,
    css`
      :host {
        display: block;
      }
      pre {
        margin: 0;
        font: var(--size-code) / var(--line-code) var(--font-code);
        tab-size: 2;
        color: var(--ink);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
    `,
  ];

  declare source: string;
  declare language: string;
  declare stretches: readonly Stretch[] | null;

  constructor() {
    super();
    this.source = "";
    this.language = "ts";
    this.stretches = null;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("source") && !changed.has("language")) return;
    this.stretches = null;
    if (this.language === "ts" && this.source !== "") void this.#colour(this.source);
  }

  async #colour(source: string): Promise<void> {
    const { highlight } = await import("./highlight.ts");
    await turn();
    if (source === this.source) this.stretches = highlight(source);
  }

  override render(): TemplateResult {
    // Whitespace inside pre is content: no line breaks in this template.
    return html`<pre><code>${
      this.stretches?.map(({ text, classes }) =>
        classes === "" ? text : html`<span class=${classes}>${text}</span>`,
      ) ?? this.source
    }</code></pre>`;
  }
}

customElements.define("fulgurite-code-text", FulguriteCodeText);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-code-text": FulguriteCodeText;
  }
}
