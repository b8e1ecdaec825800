import { css } from "lit";

/** The page around the cells. */
export const notebookStyles = css`
  :host {
    display: block;
    min-block-size: 100vh;
  }
  main {
    padding-block: 12px 0;
  }
  .group {
    contain-intrinsic-block-size: auto 1280px;
  }
  .group.far {
    content-visibility: auto;
  }
  .place {
    display: flow-root;
  }
  /* Below the header, wherever the page is scrolled to: it may say that nothing is saved. */
  .notice {
    position: sticky;
    inset-block-start: 49px;
    z-index: 1;
    inline-size: min(var(--column), 100% - 32px);
    margin-inline: auto;
    border-block: 8px solid var(--paper);
    background: var(--paper);
    /* However long it is, the cells stay in sight. */
    max-block-size: min(40vh, 240px);
    overflow-y: auto;
  }
  .notice .error-note {
    margin: 0;
  }
  .loading {
    inline-size: min(var(--column), 100% - 32px);
    margin: 64px auto;
    color: var(--ink-quiet);
  }
  :host([app-view]) fulgurite-inserter {
    display: none;
  }
  :host([app-view]) .place {
    margin-block-end: 24px;
  }
  :host([app-view]) .place:not(:has(fulgurite-cell:not([empty]))) {
    display: none;
  }
`;
