import { css } from "lit";

/** What is folded below a run: a hairline, a chevron, a line of words. */
export const foldStyles = css`
  details.fold {
    margin-block-start: 8px;
    border-block-start: 1px solid var(--hairline);
    font-size: var(--size-small);
    line-height: 24px;
  }
  .fold > summary {
    display: flex;
    align-items: center;
    gap: 8px;
    min-block-size: 40px;
    color: var(--ink-quiet);
    cursor: pointer;
    list-style: none;
  }
  .fold > summary::-webkit-details-marker {
    display: none;
  }
  .fold > summary:hover {
    color: var(--ink);
  }
  .fold[open] > summary > svg {
    transform: rotate(90deg);
  }
`;
