import { css, html, type TemplateResult } from "lit";
import { formatFigure } from "./format.ts";

export const rewardBarStyles = css`
  .reward-bar {
    display: inline-flex;
    align-items: center;
    justify-content: flex-end;
    gap: 8px;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .reward-bar i {
    inline-size: 40px;
    block-size: 4px;
    border-radius: 2px;
    background: linear-gradient(var(--series-0), var(--series-0)) 0 0 / calc(var(--reward) * 100%) 100%
      no-repeat var(--hairline);
  }
  .reward-bar b {
    font-weight: inherit;
    min-inline-size: 36px;
    text-align: end;
  }
`;

/** A reward as a figure and, between 0 and 1, as a bar. */
export const rewardBar = (reward: number): TemplateResult =>
  html`<span class="reward-bar"
    ><i style=${`--reward: ${Math.max(0, Math.min(1, reward))}`}></i><b>${formatFigure(reward)}</b></span
  >`;
