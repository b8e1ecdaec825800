import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { base, buttons } from "./tokens.css.ts";

export interface MenuItem {
  readonly title: string;
  /** Keys as a person reads them; "" for none. */
  readonly keys: string;
  /** A line above it. */
  readonly separate?: boolean;
  choose(): void;
}

/** `<fulgurite-menu>`: a menu beside the button that opened it. Removes itself when it closes. */
export class FulguriteMenu extends LitElement {
  static override properties = { items: { attribute: false }, label: {} };

  static override styles = [
    base,
    buttons,
    css`
      [popover] {
        position: fixed;
        inset: auto;
        margin: 0;
        padding: 6px;
        min-inline-size: 220px;
        max-block-size: calc(100dvh - 16px);
        overflow-y: auto;
        border: 1px solid var(--hairline);
        border-radius: 8px;
        background: var(--raised);
        color: var(--ink);
        box-shadow: 0 8px 24px rgb(0 0 0 / 0.12);
      }
      button {
        display: flex;
        inline-size: 100%;
        justify-content: space-between;
        gap: 24px;
        border: 0;
        font-weight: 450;
      }
      button:focus-visible,
      button:hover {
        outline: none;
        background: var(--accent-wash);
        forced-color-adjust: none;
      }
      kbd {
        font: var(--size-small) / 16px var(--font-code);
        color: var(--ink-quiet);
      }
      hr {
        margin: 6px 0;
        border: 0;
        border-block-start: 1px solid var(--hairline);
      }
    `,
  ];

  declare items: readonly MenuItem[];
  declare label: string;
  #opener: HTMLElement | null = null;

  constructor() {
    super();
    this.items = [];
    this.label = "Menu";
  }

  /** Shows the menu below the button, or above where there is no room. */
  async openAt(opener: HTMLElement): Promise<void> {
    this.#opener = opener;
    await this.updateComplete;
    const popover = this.renderRoot.querySelector<HTMLElement>("[popover]")!;
    popover.showPopover();
    const at = opener.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = popover;
    const left = Math.max(8, Math.min(at.left, innerWidth - width - 8));
    const below = at.bottom + 4;
    const top = below + height <= innerHeight - 8 ? below : Math.max(8, at.top - height - 4);
    popover.style.left = `${left}px`;
    popover.style.top = `${top}px`;
    opener.setAttribute("aria-expanded", "true");
    this.#buttons()[0]?.focus();
  }

  #buttons(): HTMLButtonElement[] {
    return [...this.renderRoot.querySelectorAll("button")];
  }

  #choose(item: MenuItem): void {
    this.renderRoot.querySelector<HTMLElement>("[popover]")?.hidePopover();
    item.choose();
  }

  #onToggle(event: ToggleEvent): void {
    if (event.newState !== "closed") return;
    this.#opener?.setAttribute("aria-expanded", "false");
    const within = this.renderRoot.querySelector(":focus") !== null;
    this.remove();
    if (within) this.#opener?.focus();
  }

  #onKeydown(event: KeyboardEvent): void {
    const all = this.#buttons();
    const index = all.indexOf(this.shadowRoot?.activeElement as HTMLButtonElement);
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: all.length - 1 }[event.key];
    event.stopPropagation();
    if (to === undefined) return;
    event.preventDefault();
    all.at(to % all.length)?.focus();
  }

  override render(): TemplateResult {
    return html`<div
      popover
      role="menu"
      aria-label=${this.label}
      @toggle=${this.#onToggle}
      @keydown=${this.#onKeydown}
    >
      ${this.items.map(
        (item) =>
          html`${item.separate ? html`<hr />` : nothing}<button
              role="menuitem"
              tabindex="-1"
              @click=${() => {
                this.#choose(item);
              }}
            >
              ${item.title}${item.keys === "" ? nothing : html`<kbd>${item.keys}</kbd>`}
            </button>`,
      )}
    </div>`;
  }
}

customElements.define("fulgurite-menu", FulguriteMenu);

/** Opens a menu beside a button. */
export function openMenu(opener: HTMLElement, label: string, items: readonly MenuItem[]): void {
  const menu = document.createElement("fulgurite-menu");
  menu.items = items;
  menu.label = label;
  document.body.append(menu);
  void menu.openAt(opener);
}

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-menu": FulguriteMenu;
  }
}
