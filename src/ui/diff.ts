import { css, html, LitElement, type TemplateResult } from "lit";
import { diffLines, type DiffLine } from "./diff-lines.ts";
import { base } from "./tokens.css.ts";

/** Unchanged lines shown around a change. */
const CONTEXT = 3;

/** `<fulgurite-diff>`: two texts as one, with what was taken away and what was added. */
export class FulguriteDiff extends LitElement {
  static override properties = { older: {}, newer: {}, label: {} };

  static override styles = [
    base,
    css`
      :host {
        display: block;
      }
      pre {
        margin: 0;
        max-block-size: 480px;
        overflow: auto;
        font: var(--size-code) / 22px var(--font-code);
      }
      del,
      ins,
      span {
        display: block;
        text-decoration: none;
        padding-inline: 8px;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      .removed {
        background: var(--error-wash);
        color: var(--error);
      }
      .added {
        background: color-mix(in oklab, var(--passed) 12%, transparent);
        color: var(--passed);
      }
      .skipped {
        color: var(--ink-quiet);
      }
    `,
  ];

  declare older: string;
  declare newer: string;
  /** What differs, for those who hear the page; default "Difference". */
  declare label: string;

  constructor() {
    super();
    this.older = "";
    this.newer = "";
    this.label = "Difference";
  }

  override render(): TemplateResult {
    const lines = diffLines(linesOf(this.older), linesOf(this.newer));
    const near = lines.map((_, i) =>
      lines.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(({ kind }) => kind !== "same"),
    );
    if (!near.some(Boolean)) return html`<p>Nothing differs.</p>`;
    const shown: TemplateResult[] = [];
    let skipped = 0;
    const flush = (): void => {
      if (skipped > 0) shown.push(html`<span class="skipped">… ${skipped} lines alike …</span>`);
      skipped = 0;
    };
    lines.forEach((line, i) => {
      if (!near[i]) skipped++;
      else {
        flush();
        shown.push(lineView(line));
      }
    });
    flush();
    return html`<pre tabindex="0" role="region" aria-label=${this.label}>${shown}</pre>`;
  }
}

const lineView = ({ kind, text }: DiffLine): TemplateResult =>
  kind === "removed"
    ? html`<del class="removed">− ${text}</del>`
    : kind === "added"
      ? html`<ins class="added">+ ${text}</ins>`
      : html`<span>${"  "}${text}</span>`;

/** No text has no line. */
const linesOf = (text: string): string[] => (text === "" ? [] : text.split("\n"));

customElements.define("fulgurite-diff", FulguriteDiff);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-diff": FulguriteDiff;
  }
}
