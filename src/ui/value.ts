import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ValueNode } from "../notebook/session-types.ts";
import { formatCount } from "./format.ts";
import { base, buttons } from "./tokens.css.ts";

/** A text of up to this many characters, some five lines, is shown whole. */
const FOLDED_CHARACTERS = 400;
/** Of a value inside a closed tree's line. */
const PREVIEW_CHARACTERS = 40;

/** `<fulgurite-value>`: a value as a tree that opens level by level, its long texts folded. */
export class FulguriteValue extends LitElement {
  static override properties = {
    name: {},
    value: { attribute: false },
    unfolded: { state: true },
  };

  static override styles = [
    base,
    buttons,
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
      .leaf > button {
        min-block-size: 24px;
        padding: 0 8px;
        color: var(--accent-ink);
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
  /** Where in the tree texts are shown whole; they stay so when the cell runs again. */
  declare unfolded: ReadonlySet<string>;

  constructor() {
    super();
    this.name = null;
    this.value = null;
    this.unfolded = new Set();
  }

  override render(): TemplateResult | typeof nothing {
    return this.value === null ? nothing : this.#node(this.name, this.value, "");
  }

  #node(key: string | null, value: ValueNode, path: string): TemplateResult {
    const name = key === null ? nothing : html`<span class="key">${key}</span>: `;
    if (value.kind === "primitive") {
      return html`<div class="leaf">${name}${this.#text(value.type, value.text, path)}</div>`;
    }
    return html`<details>
      <summary>${name}<span class="type">${value.type} ${preview(value)}</span></summary>
      ${value.entries.map(([entry, child]) => this.#node(entry, child, `${path}/${entry}`))}
      ${value.more > 0 ? html`<div class="leaf more">and ${value.more} more</div>` : nothing}
    </details>`;
  }

  #text(type: string, text: string, path: string): TemplateResult {
    if (text.length <= FOLDED_CHARACTERS) return html`<span class=${type}>${text}</span>`;
    const isWhole = this.unfolded.has(path);
    const more = `Show ${formatCount(text.length - FOLDED_CHARACTERS)} more characters`;
    const toggle = (): void => {
      const unfolded = new Set(this.unfolded);
      if (!unfolded.delete(path)) unfolded.add(path);
      this.unfolded = unfolded;
    };
    return html`<span class=${type}>${isWhole ? text : `${text.slice(0, FOLDED_CHARACTERS)}…`}</span>
      <button class="bare" aria-expanded=${isWhole ? "true" : "false"} @click=${toggle}>
        ${isWhole ? "Show less" : more}
      </button>`;
  }
}

/** The first entries in one line, for a closed tree. */
function preview(value: ValueNode & { kind: "object" }): string {
  const short = (child: ValueNode): string => {
    const text = child.kind === "primitive" ? child.text : child.type;
    return text.length > PREVIEW_CHARACTERS ? `${text.slice(0, PREVIEW_CHARACTERS)}…` : text;
  };
  const shown = value.entries.slice(0, 4).map(([key, child]) => `${key}: ${short(child)}`);
  const rest = value.entries.length + value.more - shown.length;
  return `{ ${shown.join(", ")}${rest > 0 ? ", …" : ""} }`;
}

customElements.define("fulgurite-value", FulguriteValue);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-value": FulguriteValue;
  }
}
