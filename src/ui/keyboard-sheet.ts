import { css, html, LitElement, type TemplateResult } from "lit";
import { icon } from "./icons.ts";
import { base, buttons } from "./tokens.css.ts";

const keys: readonly (readonly [string, string])[] = [
  ["↑ ↓", "go from cell to cell"],
  ["Enter", "edit the cell"],
  ["Esc", "leave the text"],
  ["Shift Enter", "run and go on"],
  ["Ctrl Enter", "run"],
  ["Alt ↑ ↓", "from text to text, while editing"],
  ["Ctrl Z", "undo, Shift for redo"],
  ["?", "this sheet"],
];

/** `<fulgurite-keyboard-sheet>`: the keys, in a dialog. */
export class FulguriteKeyboardSheet extends LitElement {
  static override styles = [
    base,
    buttons,
    css`
      dialog {
        inline-size: min(420px, calc(100vw - 32px));
        padding: 16px 24px 24px;
        border: 1px solid var(--hairline);
        border-radius: 8px;
        background: var(--raised);
        color: var(--ink);
      }
      dialog::backdrop {
        background: color-mix(in oklab, var(--paper) 70%, transparent);
      }
      header {
        display: flex;
        align-items: center;
        justify-content: space-between;
      }
      h2 {
        margin: 0;
        font-size: 1rem;
        font-weight: 650;
      }
      dl {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 8px 24px;
        margin: 8px 0 0;
        font-size: var(--size-small);
        line-height: 24px;
      }
      dt {
        font-family: var(--font-code);
        color: var(--accent-ink);
      }
      dd {
        margin: 0;
        color: var(--ink-quiet);
      }
    `,
  ];

  /** Opens the sheet over the page. */
  show(): void {
    this.renderRoot.querySelector("dialog")?.showModal();
  }

  override render(): TemplateResult {
    return html`<dialog aria-labelledby="title" closedby="any">
      <form method="dialog">
        <header>
          <h2 id="title">Keys</h2>
          <button class="bare" aria-label="Close">${icon("close")}</button>
        </header>
        <dl>
          ${keys.map(
            ([key, what]) =>
              html`<dt>${key}</dt>
                <dd>${what}</dd>`,
          )}
        </dl>
      </form>
    </dialog>`;
  }
}

customElements.define("fulgurite-keyboard-sheet", FulguriteKeyboardSheet);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-keyboard-sheet": FulguriteKeyboardSheet;
  }
}
