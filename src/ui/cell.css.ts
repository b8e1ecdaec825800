import { css } from "lit";

/** A cell on the page: text in the column, runs wider, state and run button in the margin where there is one. */
export const cellStyles = css`
  :host {
    display: block;
  }
  section {
    position: relative;
    display: grid;
    grid-template-columns:
      minmax(16px, 1fr) minmax(0, var(--wide-part)) minmax(0, var(--column))
      minmax(0, var(--wide-part)) minmax(16px, 1fr);
    --wide-part: calc((var(--wide) - var(--column)) / 2);
  }
  section > * {
    grid-column: 3;
    min-inline-size: 0;
  }
  section > .wide {
    grid-column: 2 / 5;
  }
  section:focus-visible {
    outline: none;
  }
  section:focus-visible::before {
    content: "";
    position: absolute;
    inset-block: 4px;
    inset-inline-start: calc(50% - min(50%, var(--column) / 2) - 16px);
    inline-size: 3px;
    border-radius: 2px;
    background: var(--accent);
    forced-color-adjust: none;
  }
  @media (min-width: 1040px) {
    /* Beside what is in the column only; it would cross what is wider. */
    section:has(> .wide):focus-visible::before {
      grid-row: 1 / 2;
    }
    section:has(> .wide):not(:has(> .code, > .fold)):focus-visible::before {
      inset-inline-start: calc(50% - min(50% - 16px, var(--wide) / 2) - 12px);
    }
  }
  .code {
    padding: 12px 16px;
    background: var(--surface);
    border-radius: var(--radius);
    border-inline-start: 2px solid transparent;
  }
  .code:focus-within {
    outline: 1px solid var(--accent);
    background: var(--paper);
  }
  .margin {
    grid-column: 1 / 3;
    grid-row: 1;
    display: flex;
    flex-direction: row-reverse;
    align-items: flex-start;
    gap: 4px;
    padding: 6px 8px 0;
    min-block-size: 44px;
  }
  .margin .state {
    padding-block-start: 6px;
    text-align: end;
    font-size: var(--size-small);
    line-height: 20px;
    color: var(--ink-quiet);
  }
  .state.stale {
    color: var(--stale);
  }
  .state.error {
    color: var(--error);
  }
  .state.running {
    color: var(--accent-ink);
  }
  .margin button {
    color: var(--ink-faint);
  }
  section:hover .margin button,
  section:focus-within .margin button,
  .margin button:focus-visible,
  .margin button:hover {
    color: var(--accent-ink);
  }
  .margin .more {
    opacity: 0;
  }
  section:hover .more,
  section:focus-within .more,
  section:focus .more {
    opacity: 1;
  }
  @media (hover: none) {
    .margin .more {
      opacity: 1;
    }
  }
  .nothing {
    color: var(--ink-quiet);
  }
  .output,
  .wide {
    margin-block-start: 12px;
  }
  .call {
    display: flex;
    align-items: center;
    gap: 16px;
    margin-block-start: 12px;
    min-block-size: 48px;
    font-size: var(--size-small);
    color: var(--ink-quiet);
  }
  .call button {
    min-block-size: 40px;
    padding-inline: 20px;
    font-size: 0.9375rem;
  }
  .held-up {
    margin: 8px 0 0;
    font-size: var(--size-small);
    line-height: 24px;
    color: var(--ink-quiet);
  }
  .held-up button {
    display: inline;
    min-block-size: 24px;
    padding: 0 2px;
    font-family: var(--font-code);
    color: var(--accent-ink);
  }
  .text {
    cursor: default;
  }
  .fold {
    justify-content: flex-start;
    color: var(--ink-quiet);
  }
  @media (max-width: 1039px) {
    section {
      grid-template-columns: 16px minmax(0, 1fr) 16px;
    }
    section > *,
    section > .wide {
      grid-column: 2;
    }
    section:focus-visible::before {
      inset-inline-start: 6px;
    }
    .margin {
      grid-column: 2;
      grid-row: auto;
      flex-direction: row;
      justify-content: flex-start;
      align-items: center;
      min-block-size: 40px;
      padding: 0;
    }
    .margin .state {
      padding: 0;
    }
    .margin button {
      padding-inline-start: 0;
    }
    .margin .more {
      order: 1;
    }
    .margin.silent {
      position: absolute;
      inset-block-start: 4px;
      inset-inline-end: 8px;
    }
    .margin.silent:has(+ .fold) {
      inset-block-start: -4px;
    }
    .code {
      padding-inline-end: 72px;
    }
    .text {
      font-size: 1rem;
    }
  }
  @media (min-width: 1280px) {
    section {
      /* What lies beside the notebook takes from what is wider than the column, before it takes from the column. */
      --wide-part: clamp(
        0px,
        (100vw - var(--beside, 0px) - var(--column)) / 2 - 16px,
        (var(--wide) - var(--column)) / 2
      );
    }
  }
  @media (min-width: 1040px) and (max-width: 1159px) {
    section {
      --wide-part: 132px;
    }
  }
`;
