import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { icon, mark } from "./icons.ts";
import { currentTheme, nextTheme, setTheme, type Theme } from "./theme.ts";
import { base, buttons } from "./tokens.css.ts";

const themeIcon = { system: "system", light: "sun", dark: "moon" } as const;

/** A notebook that can be opened. */
export interface ShelfEntry {
  readonly id: string;
  readonly title: string;
}

/**
 * `<fulgurite-header>`: what is open and what else there is, and the few things that concern all of it. Dispatches
 * "fulgurite-run-all", "fulgurite-keys" and "fulgurite-reset" (all composed).
 */
export class FulguriteHeader extends LitElement {
  static override properties = {
    heading: {},
    shelf: { attribute: false },
    open: {},
    edited: { type: Boolean },
    outdated: { type: Boolean },
    scrolled: { type: Boolean },
    theme: { state: true },
    sure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        position: sticky;
        inset-block-start: 0;
        z-index: 2;
        display: block;
        background: var(--paper);
        border-block-end: 1px solid var(--hairline);
      }
      header {
        display: flex;
        align-items: center;
        gap: 4px;
        min-block-size: 48px;
        max-inline-size: calc(var(--wide) + 32px);
        margin-inline: auto;
        padding-inline: 16px;
      }
      .mark {
        inline-size: 22px;
        block-size: 22px;
        flex: none;
      }
      .name {
        font-weight: 650;
        letter-spacing: -0.01em;
        font-size: 0.9375rem;
      }
      .title {
        flex: 1;
        min-inline-size: 0;
        padding-inline-start: 8px;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
        font-size: 0.9375rem;
        color: var(--ink-quiet);
        opacity: 0;
      }
      :host([scrolled]) .title {
        opacity: 1;
      }
      nav {
        display: flex;
        gap: 4px;
        padding-inline-start: 12px;
      }
      nav a {
        padding: 4px 8px;
        border-radius: var(--radius);
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
        text-decoration: none;
      }
      nav a:hover {
        color: var(--ink);
        background: var(--surface);
      }
      nav a[aria-current] {
        color: var(--ink);
        font-weight: 600;
      }
      @media (prefers-reduced-motion: no-preference) {
        .title {
          transition: opacity 160ms;
        }
      }
      .edited {
        display: inline-flex;
        align-items: center;
        font-size: var(--size-small);
        color: var(--ink-quiet);
        white-space: nowrap;
      }
      @media (max-width: 639px) {
        .name,
        .edited span,
        .title,
        .run-all span,
        .asking nav {
          display: none;
        }
        nav {
          flex: 1;
          padding-inline-start: 4px;
        }
        header {
          padding-inline: 8px;
        }
        .asking {
          justify-content: flex-end;
        }
      }
    `,
  ];

  declare heading: string;
  declare shelf: readonly ShelfEntry[];
  /** Id of the notebook that is open. */
  declare open: string;
  declare edited: boolean;
  declare outdated: boolean;
  /** The notebook's own heading is out of sight: say it here. */
  declare scrolled: boolean;
  declare theme: Theme;
  declare sure: boolean;

  constructor() {
    super();
    this.heading = "";
    this.shelf = [];
    this.open = "";
    this.edited = false;
    this.outdated = false;
    this.scrolled = false;
    this.theme = currentTheme();
    this.sure = false;
  }

  #tell(type: string): void {
    this.dispatchEvent(new Event(type, { bubbles: true, composed: true }));
  }

  #changeTheme(): void {
    this.theme = nextTheme(this.theme);
    setTheme(this.theme);
  }

  #reset(): void {
    if (this.sure) this.#tell("fulgurite-reset");
    this.sure = !this.sure;
  }

  #shelf(): TemplateResult {
    return html`<nav aria-label="Notebooks">
      ${this.shelf.map(
        ({ id, title }) =>
          html`<a href=${`#notebook=${id}`} aria-current=${id === this.open ? "page" : nothing}>${title}</a>`,
      )}
    </nav>`;
  }

  override render(): TemplateResult {
    return html`<header class=${this.sure ? "asking" : ""}>
      ${mark()}
      <span class="name">Fulgurite</span>
      ${this.shelf.length > 1 ? this.#shelf() : nothing}
      <span class="title">${this.heading}</span>
      ${
        this.edited
          ? html`<span class="edited">
              <span>${this.outdated ? "Your copy; the original is newer" : "Edited"}</span>
              <button
                class="bare"
                title="Throw your edits away and show the notebook as it came"
                aria-label=${this.sure ? "Lose my edits?" : "Reset"}
                @click=${this.#reset}
                @blur=${() => (this.sure = false)}
              >
                ${icon("undo")}${this.sure ? html`Lose my edits?` : html`<span>Reset</span>`}
              </button>
            </span>`
          : nothing
      }
      <button
        class="run-all"
        aria-label="Run all"
        @click=${() => {
          this.#tell("fulgurite-run-all");
        }}
      >
        ${icon("run")}<span>Run all</span>
      </button>
      <button
        class="bare"
        title="Keys (?)"
        aria-label="Keys"
        @click=${() => {
          this.#tell("fulgurite-keys");
        }}
      >
        ${icon("keyboard")}
      </button>
      <button
        class="bare"
        title=${`Theme: ${this.theme}`}
        aria-label=${`Theme: ${this.theme}`}
        @click=${this.#changeTheme}
      >
        ${icon(themeIcon[this.theme])}
      </button>
    </header>`;
  }
}

customElements.define("fulgurite-header", FulguriteHeader);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-header": FulguriteHeader;
  }
}
