import { css } from "lit";

/** Height of a row of a virtual table, in pixels; its scrolling counts on it. */
export const ROW_HEIGHT = 36;

/** A table of which only the rows in sight are drawn, in a box that scrolls. */
export const virtualTableStyles = css`
  .scroll {
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
  .end {
    text-align: end;
  }
  td.text {
    font-family: var(--font-code);
  }
  td.failed {
    color: var(--error);
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
`;
