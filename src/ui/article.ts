import { css, html, LitElement, type TemplateResult } from "lit";
import "./code-text.ts";
import { icon } from "./icons.ts";
import { markdown } from "./markdown.ts";
import { prose } from "./prose.css.ts";
import { base, buttons } from "./tokens.css.ts";

/** Documents of the project that the page can show, by the hash that opens them. */
const documents = import.meta.glob<string>("../../docs/how-it-works.md", {
  query: "?raw",
  import: "default",
});

/** `<fulgurite-article>`: a document of the project, over the page. */
export class FulguriteArticle extends LitElement {
  static override properties = { source: {}, back: {} };

  static override styles = [
    base,
    buttons,
    prose,
    css`
      dialog {
        inline-size: min(calc(var(--column) + 64px), 100vw);
        max-inline-size: none;
        block-size: 100dvh;
        max-block-size: none;
        margin: 0 auto;
        padding: 16px clamp(16px, 4vw, 32px) 64px;
        border: 0;
        border-inline: 1px solid var(--hairline);
        background: var(--paper);
        color: var(--ink);
      }
      dialog::backdrop {
        background: color-mix(in oklab, var(--paper) 80%, transparent);
      }
      form {
        position: sticky;
        inset-block-start: 0;
        display: flex;
        justify-content: flex-end;
      }
    `,
  ];

  declare source: string;
  /** The address to go back to. */
  declare back: string;

  constructor() {
    super();
    this.source = "";
    this.back = location.pathname + location.search;
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector("dialog")?.showModal();
  }

  override render(): TemplateResult {
    return html`<dialog
      aria-label="How it works"
      @close=${() => {
        this.remove();
        history.replaceState(null, "", this.back);
      }}
    >
      <form method="dialog"><button class="bare" aria-label="Close">${icon("close")}</button></form>
      <article class="prose">${markdown(this.source)}</article>
    </dialog>`;
  }
}

customElements.define("fulgurite-article", FulguriteArticle);

/** Whether a hash names a document, and not a notebook. */
export const isArticle = (hash: string): boolean => `../../docs/${hash.slice(1)}.md` in documents;

/**
 * Opens the document that a hash such as "#how-it-works" names; any other hash does nothing. Closing it goes back
 * to the hash `back`.
 */
export function showArticleAt(hash: string, back = ""): void {
  const load = documents[`../../docs/${hash.slice(1)}.md`];
  if (!load || document.querySelector("fulgurite-article")) return;
  load().then(
    (source) => {
      const article = document.createElement("fulgurite-article");
      article.source = source;
      article.back += back;
      document.body.append(article);
    },
    () => undefined,
  );
}

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-article": FulguriteArticle;
  }
}
