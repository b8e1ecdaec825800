import { css, html, type TemplateResult } from "lit";
import { commands, type Command } from "./commands.ts";
import { FulguriteDialog } from "./dialog.ts";
import { keyWords } from "./keys.ts";

const editing: readonly (readonly [string, string])[] = [
  ["Escape", "Leave the text"],
  ["Shift-Enter", "Run and go on"],
  ["Mod-Enter", "Run"],
  ["Alt-ArrowDown", "To the next text, Alt ↑ to the one before"],
  ["Ctrl-Space", "Complete"],
  ["F2", "Rename a name in all cells"],
  ["F12", "Go to where a name is defined"],
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
        grid-template-columns: 112px 1fr;
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
    `,
  ];

  protected readonly heading = "Keys";

  #group(title: string, rows: readonly (readonly [string, string])[]): TemplateResult {
    return html`<section>
      <h3>${title}</h3>
      <dl>
        ${rows.map(
          ([keys, what]) =>
            html`<dt>${keyWords(keys)}</dt>
              <dd>${what}</dd>`,
        )}
      </dl>
    </section>`;
  }

  protected override content(): TemplateResult {
    const of = (group: Command["group"]): (readonly [string, string])[] =>
      commands
        .filter((command) => command.group === group && command.keys.length > 0)
        .map(({ keys, title }) => [keys[0]!, title]);
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
