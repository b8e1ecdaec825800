import { css } from "lit";
import { ROW_HEIGHT } from "./virtual-table.css.ts";

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
  .scroll {
    max-block-size: ${11 * ROW_HEIGHT}px;
  }
  th:first-child,
  td:first-child {
    padding-inline-start: 0;
  }
  td.quiet {
    color: var(--ink-quiet);
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
