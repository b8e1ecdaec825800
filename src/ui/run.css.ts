import { css } from "lit";

/** Layout of one run: figure and controls, progress, then stage and curve side by side where there is room. */
export const runStyles = css`
  :host {
    display: block;
    container-type: inline-size;
  }
  header {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px 24px;
    min-block-size: 48px;
  }
  .figure {
    display: flex;
    align-items: baseline;
    gap: 8px;
    margin: 0;
    flex: 1;
    min-inline-size: 200px;
  }
  .figure b {
    font-size: 2rem;
    line-height: 40px;
    font-weight: 600;
    letter-spacing: -0.02em;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .figure span {
    font-size: var(--size-small);
    line-height: 16px;
    color: var(--ink-quiet);
  }
  .controls {
    display: flex;
    gap: 8px;
  }
  .track {
    block-size: 2px;
    margin-block: 8px;
    background: var(--hairline);
    overflow: hidden;
  }
  .track div {
    block-size: 100%;
    background: var(--accent);
    forced-color-adjust: none;
    transform-origin: left;
  }
  .track.paused div {
    background: var(--ink-faint);
  }
  @media (prefers-reduced-motion: no-preference) {
    .track div {
      transition: transform 200ms linear;
    }
  }
  .words {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 24px;
    margin: 0 0 16px;
    font-size: var(--size-small);
    line-height: 24px;
    color: var(--ink-quiet);
    font-variant-numeric: tabular-nums;
  }
  /* About as high as the run will be, so that nothing below it jumps. */
  .opening {
    min-block-size: 456px;
  }
  .words b {
    font-weight: 600;
    color: var(--ink);
  }
  .words p {
    margin: 0;
  }
  .baselines {
    display: grid;
    margin: -8px 0 16px;
    padding: 0;
    list-style: none;
    font-size: var(--size-small);
    line-height: 24px;
    color: var(--ink-quiet);
    font-variant-numeric: tabular-nums;
  }
  .baselines li {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 24px;
  }
  .baselines b {
    font-weight: 600;
    color: var(--ink);
  }
  .baselines button {
    display: inline;
    min-block-size: 24px;
    margin-inline-start: 8px;
    padding: 0 4px;
    color: var(--accent-ink);
  }
  .views {
    display: grid;
    grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
    gap: 32px;
    --stage-height: 272px;
    --curve-height: 272px;
  }
  .views.single {
    grid-template-columns: minmax(0, 1fr);
  }
  @container (max-width: 719px) {
    .views,
    .views.single {
      grid-template-columns: minmax(0, 1fr);
      gap: 8px;
      --stage-height: 200px;
      --curve-height: 240px;
    }
  }
`;
