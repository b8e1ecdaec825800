import { css, html, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../gpu/error.ts";

export const errorNoteStyles = css`
  .error-note {
    margin: 8px 0;
    padding: 8px 16px;
    border-inline-start: 2px solid var(--error);
    background: var(--error-wash);
    font-size: var(--size-small);
    line-height: 24px;
  }
  .error-note p {
    margin: 0;
    overflow-wrap: anywhere;
  }
  .error-note .what {
    font-weight: 600;
    color: var(--error);
  }
  .error-note .error-code {
    font-family: var(--font-code);
    color: var(--ink-quiet);
  }
  .error-note pre {
    margin: 4px 0;
    font: inherit;
    font-family: var(--font-code);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
`;

/** What happened, where, and what to do. */
export const errorNote = (error: ErrorData, lineText: string | null = null): TemplateResult =>
  html`<div class="error-note" role="alert">
    <p class="what">${error.line === null ? "" : `Line ${error.line}: `}${error.message}</p>
    ${lineText === null ? nothing : html`<pre>${lineText.trim()}</pre>`}
    <p>${error.fix} <span class="error-code">${error.code}</span></p>
  </div>`;
