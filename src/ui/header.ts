import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { icon, mark } from "./icons.ts";
import { currentTheme, nextTheme, setTheme, type Theme } from "./theme.ts";
import { base, buttons } from "./tokens.css.ts";

const themeIcon = { system: "system", light: "sun", dark: "moon" } as const;

/**
 * `<fulgurite-header>`: what is open, and the few things that concern all of it. Dispatches
 * "fulgurite-run-all", "fulgurite-keys" and "fulgurite-reset" (all composed).
 */
export class FulguriteHeader extends LitElement {
  static override properties = {
    heading: {},
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
        .edited span {
          display: none;
        }
      }
    `,
  ];

  declare heading: string;
  declare edited: boolean;
  declare outdated: boolean;
  /** The notebook's own heading is out of sight: say it here. */
  declare scrolled: boolean;
  declare theme: Theme;
  declare sure: boolean;

  constructor() {
    super();
    this.heading = "";
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

  override render(): TemplateResult {
    return html`<header>
      ${mark()}
      <span class="name">Fulgurite</span>
      <span class="title">${this.heading}</span>
      ${
        this.edited
          ? html`<span class="edited">
              <span>${this.outdated ? "Your copy; the original is newer" : "Edited"}</span>
              <button
                class="bare"
                title="Throw your edits away and show the notebook as it came"
                @click=${this.#reset}
                @blur=${() => (this.sure = false)}
              >
                ${icon("undo")}${this.sure ? "Lose my edits?" : "Reset"}
              </button>
            </span>`
          : nothing
      }
      <button
        @click=${() => {
          this.#tell("fulgurite-run-all");
        }}
      >
        ${icon("run")}Run all
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
