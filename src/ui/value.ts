import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ValueNode } from "../notebook/session-types.ts";
import { base } from "./tokens.css.ts";

/** `<fulgurite-value>`: a value as a tree that opens level by level. */
export class FulguriteValue extends LitElement {
  static override properties = { name: {}, value: { attribute: false } };

  static override styles = [
    base,
    css`
      :host {
        display: block;
        font: var(--size-code) / 24px var(--font-code);
        overflow-wrap: anywhere;
      }
      summary {
        cursor: pointer;
        list-style-position: outside;
      }
      summary::marker {
        color: var(--ink-faint);
        font-size: 0.8em;
      }
      details,
      .leaf {
        margin-inline-start: 16px;
      }
      .key {
        color: var(--token-definition);
      }
      .type,
      .more {
        color: var(--ink-quiet);
      }
      .number,
      .bigint {
        color: var(--token-number);
      }
      .string {
        color: var(--token-string);
      }
      .boolean,
      .undefined,
      .null {
        color: var(--token-keyword);
      }
    `,
  ];

  declare name: string | null;
  declare value: ValueNode | null;

  constructor() {
    super();
    this.name = null;
    this.value = null;
  }

  override render(): TemplateResult | typeof nothing {
    return this.value === null ? nothing : node(this.name, this.value, false);
  }
}

function node(key: string | null, value: ValueNode, open: boolean): TemplateResult {
  const name = key === null ? nothing : html`<span class="key">${key}</span>: `;
  if (value.kind === "primitive") {
    return html`<div class="leaf">${name}<span class=${value.type}>${value.text}</span></div>`;
  }
  return html`<details ?open=${open}>
    <summary>${name}<span class="type">${value.type} ${preview(value)}</span></summary>
    ${value.entries.map(([entry, child]) => node(entry, child, false))}
    ${value.more > 0 ? html`<div class="leaf more">and ${value.more} more</div>` : nothing}
  </details>`;
}

/** The first entries in one line, for a closed tree. */
function preview(value: ValueNode & { kind: "object" }): string {
  const shown = value.entries
    .slice(0, 4)
    .map(([key, child]) => `${key}: ${child.kind === "primitive" ? child.text : child.type}`);
  const rest = value.entries.length + value.more - shown.length;
  return `{ ${shown.join(", ")}${rest > 0 ? ", …" : ""} }`;
}

customElements.define("fulgurite-value", FulguriteValue);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-value": FulguriteValue;
  }
}
