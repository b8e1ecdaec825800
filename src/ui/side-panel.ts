import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { CellView, Output } from "../notebook/session-types.ts";
import { stateWords } from "./cell-words.ts";
import { icon } from "./icons.ts";
import type { FulguriteNotebook } from "./notebook.ts";
import { base, buttons } from "./tokens.css.ts";

/** `<fulgurite-side>`: beside the notebook, its outline or its variables. Follows what the cells do. */
export class FulguriteSide extends LitElement {
  static override properties = { notebook: { attribute: false }, view: {}, revision: { state: true } };

  static override styles = [
    base,
    buttons,
    css`
      aside {
        position: fixed;
        z-index: 2;
        inset-block: 57px 0;
        inset-inline-end: 0;
        inline-size: min(340px, 100vw);
        padding: 8px 16px 24px;
        overflow-y: auto;
        background: var(--paper);
        border-inline-start: 1px solid var(--hairline);
        font-size: var(--size-small);
        line-height: 20px;
      }
      .tabs {
        display: flex;
        align-items: center;
        gap: 4px;
        margin-block-end: 8px;
      }
      .tabs button[aria-selected="true"] {
        color: var(--ink);
        font-weight: 650;
      }
      .space {
        flex: 1;
      }
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li > button {
        inline-size: 100%;
        justify-content: flex-start;
        text-align: start;
        white-space: normal;
        font-weight: 450;
        color: var(--ink);
      }
      li > button[aria-current] {
        background: var(--accent-wash);
        forced-color-adjust: none;
      }
      .part > button {
        font-weight: 600;
      }
      .sub > button {
        padding-inline-start: 20px;
      }
      .code > button {
        padding-inline-start: 20px;
        font-family: var(--font-code);
        font-size: 0.75rem;
        color: var(--ink-quiet);
      }
      .state {
        margin-inline-start: auto;
        font-family: var(--font-text);
        color: var(--stale);
      }
      .state.running {
        color: var(--accent-ink);
      }
      .state.error {
        color: var(--error);
      }
      dl {
        margin: 0;
      }
      dt {
        display: flex;
        align-items: baseline;
        gap: 8px;
        padding-block-start: 8px;
        border-block-start: 1px solid var(--hairline);
        font-family: var(--font-code);
      }
      dt b {
        font-weight: 600;
        color: var(--token-definition);
        overflow-wrap: anywhere;
      }
      dt span {
        color: var(--ink-quiet);
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      dd {
        margin: 0 0 8px;
        color: var(--ink-quiet);
      }
      dd .bare {
        display: inline;
        min-block-size: 0;
        padding: 0 2px;
        border: 0;
        color: var(--accent-ink);
        font-weight: 450;
      }
    `,
  ];

  declare notebook: FulguriteNotebook;
  declare view: "outline" | "variables";
  declare revision: number;
  #heard: EventTarget | null = null;
  readonly #onChange = (): void => {
    this.revision++;
  };

  constructor() {
    super();
    this.view = "outline";
    this.revision = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // The cells make room where there is room to make.
    document.documentElement.style.setProperty("--beside", "340px");
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.documentElement.style.removeProperty("--beside");
    this.#heard?.removeEventListener("change", this.#onChange);
    this.#heard = null;
  }

  protected override willUpdate(): void {
    const { session } = this.notebook;
    if (session === this.#heard) return;
    this.#heard?.removeEventListener("change", this.#onChange);
    this.#heard = session;
    session?.addEventListener("change", this.#onChange);
  }

  override focus(): void {
    this.renderRoot.querySelector<HTMLElement>("[aria-selected='true']")?.focus();
  }

  /** The keys go on where they were. */
  close(): void {
    this.remove();
    this.notebook.select(this.notebook.index, { preventScroll: true });
  }

  #tab(view: "outline" | "variables", word: string): TemplateResult {
    return html`<button
      class="bare"
      role="tab"
      aria-selected=${this.view === view ? "true" : "false"}
      aria-controls="content"
      @click=${() => (this.view = view)}
    >
      ${word}
    </button>`;
  }

  #go(id: string): () => void {
    return () => {
      this.notebook.goToCell(id);
    };
  }

  #outline(): TemplateResult {
    const entry = (cell: CellView): TemplateResult[] => {
      const current = cell === this.notebook.cell ? "true" : nothing;
      if (cell.kind !== "md") {
        const words = stateWords(cell.state, false);
        return [
          html`<li class="code">
            <button class="bare" aria-current=${current} @click=${this.#go(cell.id)}>
              ${cell.id}<span class=${`state ${cell.state.kind}`}>${words.split(":")[0]}</span>
            </button>
          </li>`,
        ];
      }
      return [...cell.source.matchAll(/^(#{1,4})[ \t]+(.+?)[ \t]*#*$/gm)].map(
        ([, marks, text]) =>
          html`<li class=${marks!.length > 2 ? "sub" : "part"}>
            <button class="bare" aria-current=${current} @click=${this.#go(cell.id)}>
              ${text!.replace(/[*_`]/g, "")}
            </button>
          </li>`,
      );
    };
    return html`<ul>
      ${this.notebook.cells.flatMap(entry)}
    </ul>`;
  }

  #variables(): TemplateResult {
    const { cells } = this.notebook;
    const all = cells.flatMap((cell) => cell.defines.map((name) => ({ name, cell })));
    if (all.length === 0) return html`<p>No cell defines a name yet.</p>`;
    const link = (id: string): TemplateResult =>
      html`<button class="bare" @click=${this.#go(id)}>${id}</button>`;
    return html`<dl>
      ${all.map(({ name, cell }) => {
        const users = cells.filter(({ uses }) => uses.includes(name));
        return html`<dt><b>${name}</b><span>${valueWords(name, cell)}</span></dt>
          <dd>
            in ${link(cell.id)}${users.length === 0 ? ", used by none" : html`, used by `}
            ${users.map((user, i) => html`${i === 0 ? "" : ", "}${link(user.id)}`)}
          </dd>`;
      })}
    </dl>`;
  }

  override render(): TemplateResult {
    return html`<aside
      aria-label=${this.view === "outline" ? "Outline" : "Variables"}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key === "Escape") this.close();
      }}
    >
      <div class="tabs" role="tablist" aria-label="Beside the notebook">
        ${this.#tab("outline", "Outline")} ${this.#tab("variables", "Variables")}
      </div>
      <button
        class="bare"
        style="position:absolute;inset-block-start:8px;inset-inline-end:8px"
        aria-label="Close"
        @click=${() => {
          this.close();
        }}
      >
        ${icon("close")}
      </button>
      <div id="content" role="tabpanel" aria-label=${this.view}>
        ${this.view === "outline" ? this.#outline() : this.#variables()}
      </div>
    </aside>`;
  }
}

/** What is known of a name's value, from what its cell shows. */
function valueWords(name: string, cell: CellView): string {
  if (cell.state.kind === "error") return "error";
  if (cell.state.kind === "idle") return "not run";
  const shown = cell.outputs.find((output) => "name" in output && output.name === name);
  return shown ? outputWords(shown) : "";
}

function outputWords(output: Output): string {
  switch (output.view) {
    case "value":
      return output.value.kind === "primitive" ? output.value.text : output.value.type;
    case "reward":
    case "composite-reward":
      return "reward";
    default:
      return output.view;
  }
}

customElements.define("fulgurite-side", FulguriteSide);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-side": FulguriteSide;
  }
}
