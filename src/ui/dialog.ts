import { css, html, LitElement, type nothing, type TemplateResult } from "lit";
import { icon } from "./icons.ts";
import { base, buttons } from "./tokens.css.ts";

/** The frame of every dialog. */
export const dialogStyles = css`
  dialog {
    inline-size: min(var(--dialog-width, 520px), calc(100vw - 16px));
    max-block-size: calc(100dvh - 32px);
    padding: 16px 24px 24px;
    border: 1px solid var(--hairline);
    border-radius: 8px;
    background: var(--raised);
    color: var(--ink);
    font-size: 0.9375rem;
    line-height: 24px;
  }
  dialog::backdrop {
    background: color-mix(in oklab, var(--paper) 70%, transparent);
  }
  .head {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 16px;
  }
  h2 {
    margin: 0;
    font-size: 1rem;
    font-weight: 650;
  }
  h3 {
    margin: 16px 0 4px;
    font-size: var(--size-small);
    font-weight: 600;
    color: var(--ink-quiet);
  }
  p {
    margin: 8px 0;
  }
  input[type="text"],
  input[type="search"],
  input[type="url"] {
    inline-size: 100%;
    min-block-size: 36px;
    padding: 6px 10px;
    border: 1px solid var(--hairline);
    border-radius: var(--radius);
    background: var(--paper);
    color: var(--ink);
    font: inherit;
  }
  .quiet {
    color: var(--ink-quiet);
    font-size: var(--size-small);
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px;
  }
  @media (max-width: 639px) {
    dialog {
      padding: 12px 16px 16px;
    }
  }
`;

/**
 * The base of the page's dialogs: `show()` puts it over the page, closing removes it and gives the focus back to
 * where it was.
 */
export abstract class FulguriteDialog extends LitElement {
  static override styles = [base, buttons, dialogStyles];

  /** What the dialog is called. */
  protected abstract readonly heading: string;
  protected abstract content(): TemplateResult | typeof nothing;

  /** Appends itself to the page and opens. */
  async show(): Promise<void> {
    document.body.append(this);
    await this.updateComplete;
    this.renderRoot.querySelector("dialog")?.showModal();
    this.renderRoot.querySelector<HTMLElement>("[autofocus]")?.focus();
  }

  close(): void {
    this.renderRoot.querySelector("dialog")?.close();
  }

  override render(): TemplateResult {
    return html`<dialog
      aria-labelledby="title"
      closedby="any"
      @close=${() => {
        this.remove();
      }}
    >
      <div class="head">
        <h2 id="title">${this.heading}</h2>
        <button
          class="bare"
          aria-label="Close"
          @click=${() => {
            this.close();
          }}
        >
          ${icon("close")}
        </button>
      </div>
      ${this.content()}
    </dialog>`;
  }
}
