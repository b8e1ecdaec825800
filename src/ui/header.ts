import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { isRunning, type CommandTarget, type Panel } from "./commands.ts";
import { icon, mark } from "./icons.ts";
import { currentTheme, nextTheme, setTheme, type Theme } from "./theme.ts";
import { base, buttons } from "./tokens.css.ts";

/**
 * `<fulgurite-header>`: which notebook is open, what runs, and the few things that concern all of it. Dispatches
 * "fulgurite-reset" (composed) when the person wants the notebook as it came.
 */
export class FulguriteHeader extends LitElement {
  static override properties = {
    heading: {},
    target: { attribute: false },
    revision: { type: Number },
    edited: { type: Boolean },
    outdated: { type: Boolean },
    scrolled: { type: Boolean },
    appView: { type: Boolean, attribute: "app-view" },
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
      .title-button {
        min-inline-size: 0;
        flex: 0 1 auto;
        padding-inline: 8px;
        font-size: 0.9375rem;
        font-weight: 450;
      }
      .title-button span {
        overflow: hidden;
        text-overflow: ellipsis;
      }
      .space {
        flex: 1;
      }
      .running {
        color: var(--accent-ink);
      }
      .running::before {
        content: "";
        inline-size: 8px;
        block-size: 8px;
        border-radius: 50%;
        background: var(--accent);
        forced-color-adjust: none;
      }
      .running + button {
        margin-inline-start: -8px;
      }
      @media (prefers-reduced-motion: no-preference) {
        .running::before {
          animation: breathe 1.6s ease-in-out infinite alternate;
        }
        @keyframes breathe {
          to {
            opacity: 0.35;
          }
        }
      }
      .edited {
        display: inline-flex;
        align-items: center;
        font-size: var(--size-small);
        color: var(--ink-quiet);
        white-space: nowrap;
      }
      .narrow-only {
        display: none;
      }
      @media (max-width: 639px) {
        .narrow-only {
          display: inline;
        }
        .name,
        .edited span,
        .run-all span,
        .running span,
        .wide-only {
          display: none;
        }
        header {
          padding-inline: 8px;
        }
        .asking .title-button {
          display: none;
        }
      }
    `,
  ];

  declare heading: string;
  /** The notebook. */
  declare target: CommandTarget | null;
  /** Of the notebook: what its cells do is read anew where it changes. */
  declare revision: number;
  declare edited: boolean;
  declare outdated: boolean;
  /** The notebook's own heading is out of sight: say it here. */
  declare scrolled: boolean;
  declare appView: boolean;
  declare theme: Theme;
  declare sure: boolean;

  constructor() {
    super();
    this.heading = "";
    this.target = null;
    this.revision = 0;
    this.edited = false;
    this.outdated = false;
    this.scrolled = false;
    this.appView = false;
    this.theme = currentTheme();
    this.sure = false;
  }

  #changeTheme(): void {
    this.theme = nextTheme(this.theme);
    setTheme(this.theme);
  }

  #reset(): void {
    if (this.sure) this.dispatchEvent(new Event("fulgurite-reset", { bubbles: true, composed: true }));
    this.sure = !this.sure;
  }

  #open(what: Panel): () => void {
    return () => this.target?.open(what);
  }

  /** What does not have a button of its own. */
  #more(event: Event): void {
    const button = event.currentTarget as HTMLElement;
    const { target } = this;
    if (!target) return;
    void import("./header-menu.ts").then(({ openHeaderMenu }) => {
      openHeaderMenu(button, target, this.theme, () => {
        this.#changeTheme();
      });
    });
  }

  /** What runs, with a way to go there and one to end it. */
  #running(): TemplateResult | typeof nothing {
    const running = this.target?.cells.filter(isRunning) ?? [];
    const [first] = running;
    if (!first) return nothing;
    const several = running.length > 1;
    const words = several ? `${running.length} cells` : first.id;
    const goThere = several ? `Go to the first of ${words} that run` : "Go to the running cell";
    return html`<button
        class="bare running"
        title=${`Running: ${running.map(({ id }) => id).join(", ")}. Press to go there.`}
        aria-label=${`${goThere}, ${first.id}`}
        @click=${() => this.target?.showRunning()}
      >
        <span>${words}</span>
      </button>
      <button class="bare" title="Stop" aria-label="Stop all" @click=${() => this.target?.stopAll()}>
        ${icon("stop")}
      </button>`;
  }

  #edited(): TemplateResult | typeof nothing {
    if (!this.edited) return nothing;
    return html`<span class="edited">
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
    </span>`;
  }

  override render(): TemplateResult {
    const stale = this.target?.cells.filter(({ state }) => state.kind === "stale").length ?? 0;
    return html`<header class=${this.sure ? "asking" : ""}>
      ${mark()}
      <span class="name">Fulgurite</span>
      <button
        class="bare title-button"
        title="Notebooks"
        aria-label=${`Notebook: ${this.heading}. Open another`}
        aria-haspopup="dialog"
        @click=${this.#open("library")}
      >
        <span>${this.heading}</span>${icon("down")}
      </button>
      <span class="space"></span>
      ${this.#edited()} ${this.#running()}
      ${
        this.appView
          ? html`<button aria-label="Show the code" @click=${this.#open("app")}>
              <span class="wide-only">Show the code</span><span class="narrow-only">Code</span>
            </button>`
          : html`<button
              class="run-all"
              aria-label="Run all"
              title="Run every cell"
              @click=${() => this.target?.runAll()}
            >
              ${icon("run")}<span>Run all</span>
            </button>`
      }
      ${
        stale === 0 || this.appView
          ? nothing
          : html`<button
              class="bare stale wide-only"
              title="Run what changed, and what depends on it"
              @click=${() => this.target?.runStale()}
            >
              Run stale (${stale})
            </button>`
      }
      <button class="bare" title="Share or save" aria-label="Share or save" @click=${this.#open("share")}>
        ${icon("share")}
      </button>
      <button class="bare" title="More" aria-label="More" aria-haspopup="menu" @click=${this.#more}>
        ${icon("more")}
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
