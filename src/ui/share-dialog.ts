import { css, html, type TemplateResult } from "lit";
import { FulguriteDialog } from "./dialog.ts";
import { download } from "./download.ts";
import { formatCount } from "./format.ts";
import type { FulguriteNotebook } from "./notebook.ts";
import { LONG_LINK, packText } from "./share-link.ts";

/** `<fulgurite-share>`: the notebook as a link, as a file, or inside another page. */
export class FulguriteShare extends FulguriteDialog {
  static override properties = { link: { state: true }, copied: { state: true } };

  static override styles = [
    ...FulguriteDialog.styles,
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
  protected readonly heading = "Share or save";

  constructor() {
    super();
    this.link = "";
    this.copied = null;
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

  get #embed(): string {
    const script = new URL("embed.js", document.baseURI).href;
    return `<script type="module" src="${script}"></script>\n<fulgurite-run src="${this.link}" mode="app"></fulgurite-run>`;
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
        <button @click=${() => this.#save("ipynb")}>.ipynb</button>
        <button @click=${() => this.#save("md")}>Markdown</button>
        <button @click=${() => this.#save("ts")}>Module (.ts)</button>
      </div>
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
