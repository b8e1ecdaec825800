import { css, html, nothing, type CSSResult, type TemplateResult } from "lit";
import type { ErrorData } from "../gpu/error.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { icon } from "./icons.ts";

export const noticeStyles: CSSResult[] = [
  errorNoteStyles,
  css`
    /* Below the header, wherever the page is scrolled to: it may say that nothing is saved. */
    .notice {
      position: sticky;
      inset-block-start: 49px;
      z-index: 1;
      inline-size: min(var(--column), 100% - 32px);
      margin-inline: auto;
      border-block: 8px solid var(--paper);
      background: var(--paper);
    }
    .notice .said {
      /* However long it is, the cells stay in sight. */
      max-block-size: min(40vh, 240px);
      overflow-y: auto;
    }
    .notice .error-note {
      margin: 0;
      padding-inline-end: 48px;
    }
    .notice button {
      position: absolute;
      inset-block-start: 4px;
      inset-inline-end: 8px;
    }
  `,
];

interface Noticed {
  readonly notice: ErrorData | null;
  readonly canDismiss: boolean;
  dismiss(): void;
}

/** What went wrong outside any cell, until it is over or the person puts it away. Goes with the styles of buttons. */
export function noticeBar(page: Noticed): TemplateResult | typeof nothing {
  if (page.notice === null) return nothing;
  const close = html`<button
    class="bare"
    title="Close (Esc)"
    aria-label="Close the notice"
    @click=${() => {
      page.dismiss();
    }}
  >
    ${icon("close")}
  </button>`;
  return html`<div class="notice">
    <div class="said" tabindex="0">${errorNote(page.notice)}</div>
    ${page.canDismiss ? close : nothing}
  </div>`;
}
