import { css, html, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../gpu/error.ts";
import { FulguriteDialog } from "./dialog.ts";
import { download } from "./download.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { formatCount } from "./format.ts";
import type { FulguriteNotebook } from "./notebook.ts";
import { LONG_LINK, packText } from "./share-link.ts";
import { asError } from "./trainer-client.ts";

/** `<fulgurite-share>`: the notebook as a link, as a file, or inside another page. */
export class FulguriteShare extends FulguriteDialog {
  static override properties = {
    link: { state: true },
    copied: { state: true },
    saving: { state: true },
    failure: { state: true },
  };

  static override styles = [
    ...FulguriteDialog.styles,
    errorNoteStyles,
    css`
      .link {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: 8px;
      }
      .warn {
        color: var(--stale);
      }
      pre {
        margin: 0;
        padding: 8px 12px;
        border-radius: var(--radius);
        background: var(--surface);
        font: 0.75rem / 18px var(--font-code);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        max-block-size: 96px;
        overflow-y: auto;
      }
    `,
  ];

  declare notebook: FulguriteNotebook;
  declare link: string;
  declare copied: "link" | "embed" | null;
  /** A page is being made. */
  declare saving: boolean;
  declare failure: ErrorData | null;
  protected readonly heading = "Share or save";

  constructor() {
    super();
    this.link = "";
    this.copied = null;
    this.saving = false;
    this.failure = null;
  }

  override async show(): Promise<void> {
    const text = this.notebook.session?.text ?? "";
    const page = new URL(location.href);
    page.hash = `code=${await packText(text)}`;
    this.link = page.href;
    await super.show();
  }

  get #name(): string {
    return (this.notebook.session?.id ?? "notebook").replace(/^own-\w+$/, "notebook");
  }

  async #copy(what: "link" | "embed", text: string): Promise<void> {
    await navigator.clipboard.writeText(text);
    this.copied = what;
  }

  async #save(as: "nb.ts" | "ipynb" | "md" | "ts"): Promise<void> {
    const text = this.notebook.session?.text ?? "";
    if (as === "nb.ts") {
      download(text, `${this.#name}.nb.ts`, "text/typescript");
      return;
    }
    const { exportNotebook } = await import("./export-notebook.ts");
    download(
      exportNotebook(text, as),
      `${this.#name}.${as}`,
      as === "ipynb" ? "application/json" : "text/plain",
    );
  }

  async #savePage(): Promise<void> {
    const { session, recorded, trainer } = this.notebook;
    if (!session || !trainer) return;
    this.saving = true;
    this.failure = null;
    try {
      const { id, title, text } = session;
      const { exportPage } = await import("./export-page.ts");
      download(await exportPage({ id, title, text, recorded, trainer }), `${this.#name}.html`, "text/html");
    } catch (error) {
      this.failure = asError(error).toData();
    } finally {
      this.saving = false;
    }
  }

  get #embed(): string {
    const script = new URL("embed.js", document.baseURI).href;
    return `<script src="${script}"></script>\n<fulgurite-run src="${this.link}" mode="app"></fulgurite-run>`;
  }

  protected override content(): TemplateResult {
    const long = this.link.length > LONG_LINK;
    return html`
      <h3>A link that holds the notebook itself</h3>
      <div class="link">
        <input type="text" readonly aria-label="Link" .value=${this.link} />
        <button class="primary" @click=${() => this.#copy("link", this.link)}>
          ${this.copied === "link" ? "Copied" : "Copy"}
        </button>
      </div>
      <p class=${long ? "warn" : "quiet"}>
        ${
          long
            ? `It has ${formatCount(this.link.length)} characters, more than some programs take. Better send the file.`
            : "No server keeps it. Whoever opens it reads first; nothing runs until they say so."
        }
      </p>
      <h3>A file</h3>
      <div class="row">
        <button @click=${() => this.#save("nb.ts")}>Notebook (.nb.ts)</button>
        <button ?disabled=${this.saving} @click=${() => this.#savePage()}>Page (.html)</button>
        <button @click=${() => this.#save("ipynb")}>.ipynb</button>
        <button @click=${() => this.#save("md")}>Markdown</button>
        <button @click=${() => this.#save("ts")}>Module (.ts)</button>
      </div>
      <p class="quiet">
        The page shows code and results without a network, and runs once its reader says so.
      </p>
      ${this.failure ? errorNote(this.failure) : nothing}
      <h3>In another page</h3>
      <pre tabindex="0" aria-label="Code to embed the notebook">${this.#embed}</pre>
      <p>
        <button @click=${() => this.#copy("embed", this.#embed)}>
          ${this.copied === "embed" ? "Copied" : "Copy"}
        </button>
      </p>
    `;
  }
}

customElements.define("fulgurite-share", FulguriteShare);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-share": FulguriteShare;
  }
}
