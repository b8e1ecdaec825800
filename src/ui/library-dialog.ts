import { css, html, nothing, type TemplateResult } from "lit";
import { FulguriteDialog } from "./dialog.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import type { ErrorData } from "../gpu/error.ts";
import { formatDate } from "./format.ts";
import { icon } from "./icons.ts";
import type { Library, NotebookEntry } from "./library.ts";
import { templates } from "./own-notebooks.ts";
import { asError } from "./trainer-client.ts";

/** `<fulgurite-library>`: the notebooks that there are, and ways to get another one. */
export class FulguriteLibrary extends FulguriteDialog {
  static override properties = {
    own: { state: true },
    problem: { state: true },
    asking: { state: true },
  };

  static override styles = [
    ...FulguriteDialog.styles,
    errorNoteStyles,
    css`
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: flex;
        align-items: center;
        gap: 8px;
        border-block-end: 1px solid var(--hairline);
      }
      li a {
        flex: 1;
        min-inline-size: 0;
        padding: 8px 4px;
        color: var(--ink);
        text-decoration: none;
        overflow-wrap: anywhere;
      }
      li a:hover {
        color: var(--accent-ink);
      }
      li a[aria-current] {
        font-weight: 650;
      }
      li small {
        color: var(--ink-quiet);
        font-size: var(--size-small);
      }
      form {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: 8px;
      }
      input[type="file"] {
        color: var(--ink-quiet);
        font: inherit;
        max-inline-size: 100%;
      }
    `,
  ];

  declare library: Library;
  declare own: readonly NotebookEntry[];
  declare problem: ErrorData | null;
  declare asking: string | null;
  protected readonly heading = "Notebooks";

  constructor() {
    super();
    this.own = [];
    this.problem = null;
    this.asking = null;
  }

  override async show(): Promise<void> {
    await super.show();
    await this.#load();
  }

  async #load(): Promise<void> {
    // Those that ship need no storage, which may be slow or refuse.
    try {
      this.own = await this.library.own();
    } catch (error) {
      this.problem = asError(error).toData();
    }
  }

  async #try(work: () => Promise<void>): Promise<void> {
    this.problem = null;
    try {
      await work();
      this.close();
    } catch (error) {
      this.problem = asError(error).toData();
    }
  }

  async #remove(id: string): Promise<void> {
    if (this.asking !== id) {
      this.asking = id;
      return;
    }
    this.asking = null;
    await this.library.remove(id);
    await this.#load();
  }

  #list(entries: readonly NotebookEntry[]): TemplateResult {
    return html`<ul>
      ${entries.map(
        ({ id, title, kind, updatedAt, origin }) =>
          html`<li>
            <a
              href=${this.library.href(id)}
              aria-current=${id === this.library.current ? "page" : nothing}
              @click=${() => {
                this.close();
              }}
              >${title}
              <small
                >${updatedAt === null ? "" : formatDate(updatedAt)}
                ${origin === null ? "" : `from ${origin}`}</small
              ></a
            >${
              kind === "own" && id !== this.library.current
                ? html`<button class="bare" aria-label=${`Delete ${title}`} @click=${() => this.#remove(id)}>
                    ${this.asking === id ? "Delete for good?" : icon("close")}
                  </button>`
                : nothing
            }
          </li>`,
      )}
    </ul>`;
  }

  protected override content(): TemplateResult {
    const { own } = this;
    return html`
      ${this.#list(this.library.shipped)}
      ${
        own.length === 0
          ? nothing
          : html`<h3>Yours, in this browser</h3>
              ${this.#list(own)}`
      }
      <h3>Start one</h3>
      <div class="row">
        ${templates.map(
          ({ title, hint, text }) =>
            html`<button title=${hint} @click=${() => this.#try(() => this.library.create(text, null))}>
              ${title}
            </button>`,
        )}
      </div>
      <h3>Open a file: .nb.ts, .ipynb, Markdown, or a page that was saved</h3>
      <input
        type="file"
        aria-label="Notebook file"
        accept=".ts,.ipynb,.md,.html,.json,text/*"
        @change=${(event: Event) => {
          const [file] = (event.target as HTMLInputElement).files ?? [];
          if (file) void this.#try(() => this.library.openFile(file));
        }}
      />
      <h3>Open from an address</h3>
      <form
        @submit=${(event: SubmitEvent) => {
          event.preventDefault();
          const url = new FormData(event.target as HTMLFormElement).get("url") as string;
          void this.#try(() => this.library.openAddress(url));
        }}
      >
        <input type="url" name="url" required aria-label="Address" placeholder="https://…" />
        <button>Open</button>
      </form>
      ${this.problem ? errorNote(this.problem) : nothing}
    `;
  }
}

customElements.define("fulgurite-library", FulguriteLibrary);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-library": FulguriteLibrary;
  }
}
