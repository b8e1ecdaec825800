import { css, html, LitElement, type TemplateResult } from "lit";
import { commands } from "./commands.ts";
import { dialogStyles } from "./dialog.ts";
import { keyWords } from "./keys.ts";
import type { FulguriteNotebook } from "./notebook.ts";
import { base } from "./tokens.css.ts";

interface Entry {
  readonly title: string;
  readonly hint: string;
  choose(): void;
}

/** `<fulgurite-palette>`: type a few letters of a command, a cell or a name, and Enter does it or goes there. */
export class FulguritePalette extends LitElement {
  static override properties = {
    notebook: { attribute: false },
    query: { state: true },
    active: { state: true },
  };

  static override styles = [
    base,
    dialogStyles,
    css`
      dialog {
        padding: 8px;
        margin-block-start: 12vh;
        overflow: hidden;
      }
      input[type="text"] {
        border: 0;
        font-size: 1rem;
        background: none;
      }
      input:focus-visible {
        outline: none;
      }
      ul {
        margin: 4px 0 0;
        padding: 4px 0 0;
        border-block-start: 1px solid var(--hairline);
        list-style: none;
        max-block-size: min(52vh, 440px);
        overflow-y: auto;
      }
      li {
        display: flex;
        justify-content: space-between;
        gap: 24px;
        padding: 4px 10px;
        border-radius: var(--radius);
        cursor: pointer;
      }
      li[aria-selected="true"] {
        background: var(--accent-wash);
        forced-color-adjust: none;
      }
      li small {
        color: var(--ink-quiet);
        font-family: var(--font-code);
        white-space: nowrap;
      }
      .quiet {
        padding: 8px 10px;
      }
    `,
  ];

  declare notebook: FulguriteNotebook;
  declare query: string;
  declare active: number;

  constructor() {
    super();
    this.query = "";
    this.active = 0;
  }

  async show(): Promise<void> {
    document.body.append(this);
    await this.updateComplete;
    this.renderRoot.querySelector("dialog")?.showModal();
    this.renderRoot.querySelector("input")?.focus();
  }

  #entries(): Entry[] {
    const { notebook } = this;
    const all: Entry[] = commands
      .filter(({ id }) => id !== "palette")
      .filter((command) => command.isAvailable?.(notebook) ?? true)
      .map((command) => ({
        title: command.title,
        hint: command.keys[0] === undefined ? "" : keyWords(command.keys[0]),
        choose: () => {
          command.run(notebook);
        },
      }));
    for (const { id, defines } of notebook.cells) {
      all.push({
        title: defines.length > 0 ? `${id}: ${defines.join(", ")}` : id,
        hint: "cell",
        choose: () => {
          notebook.goToCell(id);
        },
      });
    }
    const words = this.query.toLowerCase().split(/\s+/).filter(Boolean);
    const rank = ({ title }: Entry): number => {
      const text = title.toLowerCase();
      return words.every((word) => text.includes(word)) ? (text.startsWith(words[0] ?? "") ? 0 : 1) : 2;
    };
    return all
      .map((entry) => ({ entry, at: rank(entry) }))
      .filter(({ at }) => at < 2)
      .sort((a, b) => a.at - b.at)
      .map(({ entry }) => entry);
  }

  #onKeydown(event: KeyboardEvent): void {
    const entries = this.#entries();
    if (event.key === "ArrowDown") this.active = (this.active + 1) % Math.max(1, entries.length);
    else if (event.key === "ArrowUp") this.active = (this.active || entries.length) - 1;
    else if (event.key === "Enter") this.#choose(entries[this.active]);
    else return;
    event.preventDefault();
  }

  #choose(entry: Entry | undefined): void {
    if (!entry) return;
    this.renderRoot.querySelector("dialog")?.close();
    entry.choose();
  }

  protected override updated(): void {
    this.renderRoot.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }

  override render(): TemplateResult {
    const entries = this.#entries();
    return html`<dialog
      aria-label="Find a command or a cell"
      closedby="any"
      @close=${() => {
        this.remove();
      }}
    >
      <input
        type="text"
        role="combobox"
        aria-label="Command or cell"
        aria-expanded="true"
        aria-controls="list"
        aria-activedescendant=${`entry-${this.active}`}
        placeholder="Find a command or a cell"
        autocomplete="off"
        spellcheck="false"
        @input=${(event: Event) => {
          this.query = (event.target as HTMLInputElement).value;
          this.active = 0;
        }}
        @keydown=${this.#onKeydown}
      />
      <ul id="list" role="listbox" aria-label="Found" tabindex="-1">
        ${entries.map(
          (entry, i) =>
            html`<li
              id=${`entry-${i}`}
              role="option"
              aria-selected=${i === this.active ? "true" : "false"}
              @click=${() => {
                this.#choose(entry);
              }}
            >
              ${entry.title}<small>${entry.hint}</small>
            </li>`,
        )}
      </ul>
      ${entries.length === 0 ? html`<p class="quiet">Nothing is called that.</p>` : ""}
    </dialog>`;
  }
}

customElements.define("fulgurite-palette", FulguritePalette);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-palette": FulguritePalette;
  }
}
