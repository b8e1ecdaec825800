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
  @media (min-width: 1280px) {
    main {
      padding-inline-end: var(--beside, 0);
    }
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
