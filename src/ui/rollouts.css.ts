import { css } from "lit";

/** Height of a row of the table, in pixels; the virtual list counts on it. */
export const ROW_HEIGHT = 36;

export const rolloutsStyles = css`
  :host {
    display: block;
    container-type: inline-size;
  }
  .above {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: 8px 24px;
    padding-block-end: 8px;
  }
  .above p {
    margin: 0;
  }
  .above div {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
  }
  select {
    padding: 7px 8px;
    border: 1px solid var(--hairline);
    border-radius: var(--radius);
    background: var(--paper);
  }
  .scroll {
    max-block-size: ${11 * ROW_HEIGHT}px;
    overflow: auto;
    overscroll-behavior: contain;
    overflow-anchor: none;
    border-block: 1px solid var(--hairline);
  }
  table {
    inline-size: 100%;
    border-collapse: collapse;
    table-layout: fixed;
    font-variant-numeric: tabular-nums;
  }
  th {
    position: sticky;
    inset-block-start: 0;
    z-index: 1;
    background: var(--paper);
    color: var(--ink-quiet);
    font-weight: 400;
    text-align: start;
  }
  th,
  td {
    block-size: ${ROW_HEIGHT}px;
    padding: 0 8px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  th:first-child,
  td:first-child {
    padding-inline-start: 0;
  }
  tbody tr.row {
    cursor: pointer;
    box-shadow: inset 0 -1px var(--hairline);
  }
  tbody tr.row:hover {
    background: var(--surface);
  }
  tr.spacer td {
    block-size: auto;
    padding: 0;
  }
  .number,
  .end {
    text-align: end;
  }
  td.text {
    font-family: var(--font-code);
  }
  td.failed {
    color: var(--error);
  }
  td.quiet {
    color: var(--ink-quiet);
  }
  .open {
    justify-content: flex-start;
    min-block-size: 28px;
    min-inline-size: 0;
    padding: 4px;
    margin-inline-start: -4px;
    border: 0;
    color: var(--accent-ink);
    font-variant-numeric: tabular-nums;
  }
  .c-number {
    inline-size: 88px;
  }
  .c-small {
    inline-size: 64px;
  }
  .c-mode {
    inline-size: 104px;
  }
  .c-reward {
    inline-size: 120px;
  }
  .c-advantage {
    inline-size: 96px;
  }
  .c-time {
    inline-size: 80px;
  }
  @container (max-width: 899px) {
    .rare {
      display: none;
    }
  }
  @container (max-width: 639px) {
    .second {
      display: none;
    }
    .c-number {
      inline-size: 72px;
    }
    .c-reward {
      inline-size: 72px;
    }
    .reward-bar i {
      display: none;
    }
  }
`;
