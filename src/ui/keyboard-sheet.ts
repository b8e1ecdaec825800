import { css, html, type TemplateResult } from "lit";
import { commands, type Command } from "./commands.ts";
import { FulguriteDialog } from "./dialog.ts";
import { keyWords } from "./keys.ts";

/** What a row says, after the keys for it. */
type Row = readonly [keys: readonly string[], what: string];

const editing: readonly Row[] = [
  [["Escape"], "Leave the text"],
  [["Shift-Enter"], "Run and go on"],
  [["Mod-Enter"], "Run"],
  [["Alt-ArrowUp"], "From the first line to the text above"],
  [["Alt-ArrowDown"], "From the last line to the text below"],
  [["Ctrl-Space"], "Complete"],
  [["F2"], "Rename a name in all cells"],
  [["F12"], "Go to where a name is defined"],
  [["Mod-/"], "Comment lines in or out"],
  [["Tab"], "Indent"],
  [["Shift-Tab"], "Indent less"],
];

/** `<fulgurite-keyboard-sheet>`: the keys, in a dialog. */
export class FulguriteKeyboardSheet extends FulguriteDialog {
  static override styles = [
    ...FulguriteDialog.styles,
    css`
      :host {
        --dialog-width: 820px;
      }
      .groups {
        columns: 2 300px;
        column-gap: 48px;
      }
      section {
        break-inside: avoid;
      }
      dl {
        display: grid;
        grid-template-columns: 140px 1fr;
        gap: 2px 16px;
        margin: 0;
        font-size: var(--size-small);
        line-height: 24px;
      }
      dt {
        font-family: var(--font-code);
        color: var(--accent-ink);
      }
      dd {
        margin: 0;
      }
      small {
        color: var(--ink-quiet);
        font-size: inherit;
        white-space: nowrap;
      }
      @media (max-width: 639px) {
        dl {
          grid-template-columns: 100px 1fr;
          column-gap: 12px;
        }
      }
    `,
  ];

  protected readonly heading = "Keys";

  #group(title: string, rows: readonly Row[]): TemplateResult {
    return html`<section>
      <h3>${title}</h3>
      <dl>
        ${rows.map(
          ([[first = "", ...others], what]) =>
            html`<dt>${keyWords(first)}</dt>
              <dd>${what}${others.map((keys) => html` <small>or ${keyWords(keys)}</small>`)}</dd>`,
        )}
      </dl>
    </section>`;
  }

  protected override content(): TemplateResult {
    const of = (group: Command["group"]): Row[] =>
      commands
        .filter((command) => command.group === group && command.keys.length > 0)
        .map(({ keys, title }) => [keys, title]);
    return html`<div class="groups">
      ${this.#group("On a cell", of("Cells"))} ${this.#group("Running", of("Run"))}
      ${this.#group("In the text", editing)} ${this.#group("Looking", of("Look"))}
      ${this.#group("The notebook", of("Notebook"))}
    </div>`;
  }
}

customElements.define("fulgurite-keyboard-sheet", FulguriteKeyboardSheet);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-keyboard-sheet": FulguriteKeyboardSheet;
  }
}
