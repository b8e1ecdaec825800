import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import "./code-text.ts";
import { checkedWhere } from "../notebook/gpu-words.ts";
import type { GpuVerdict } from "../train/check-definition.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { formatCount, formatFigure } from "./format.ts";
import { icon } from "./icons.ts";
import { base } from "./tokens.css.ts";

/** `<fulgurite-reward-output>`: what a reward, or a loss, became, and how it was checked. */
export class FulguriteRewardOutput extends LitElement {
  static override properties = {
    wgsl: {},
    checkedStates: { type: Number },
    largestDifference: { type: Number },
    nonFinite: { type: Number },
    undecided: { type: Number },
    checkedDerivatives: { attribute: false },
    gpu: { attribute: false },
  };

  static override styles = [
    base,
    errorNoteStyles,
    css`
      :host {
        display: block;
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
      }
      summary {
        display: flex;
        align-items: center;
        gap: 8px;
        min-block-size: 32px;
        cursor: pointer;
        list-style: none;
      }
      summary::-webkit-details-marker {
        display: none;
      }
      summary:hover {
        color: var(--ink);
      }
      details[open] summary svg {
        transform: rotate(90deg);
      }
      .warning {
        margin: 0;
        color: var(--stale);
      }
      .code {
        padding: 8px 0 8px 24px;
      }
    `,
  ];

  declare wgsl: string;
  declare checkedStates: number;
  declare largestDifference: number;
  /** States on which the reward was not a finite number. */
  declare nonFinite: number;
  /** States left out of the check. */
  declare undecided: number;
  /** Of a loss: derivatives compared with finite differences; null: this is a reward. */
  declare checkedDerivatives: number | null;
  /** What the GPU says; null until it was asked. */
  declare gpu: GpuVerdict | null;

  constructor() {
    super();
    this.wgsl = "";
    this.checkedStates = 0;
    this.largestDifference = 0;
    this.nonFinite = 0;
    this.undecided = 0;
    this.checkedDerivatives = null;
    this.gpu = null;
  }

  override render(): TemplateResult {
    const { checkedStates, largestDifference, nonFinite, undecided, checkedDerivatives, gpu } = this;
    const unit =
      checkedDerivatives === null
        ? "random states"
        : `random rows and ${formatCount(checkedDerivatives)} derivatives`;
    const checked =
      checkedStates === 0
        ? "not checked yet"
        : `checked on ${formatCount(checkedStates)} ${unit}, ${
            largestDifference === 0
              ? "no difference"
              : `largest difference ${formatFigure(largestDifference)}`
          }${checkedWhere(gpu)}`;
    const tried = checkedStates + nonFinite + undecided;
    return html`${gpu?.kind === "failed" ? errorNote(gpu.error) : nothing}${
        nonFinite === 0
          ? nothing
          : html`<p class="warning">
              Not a finite number on ${formatCount(nonFinite)} of ${formatCount(tried)} random states
            </p>`
      }
      <details>
        <summary>${icon("chevron")}<span>Compiled to WGSL; ${checked}</span></summary>
        ${
          this.wgsl === ""
            ? nothing
            : html`<div class="code">
                <fulgurite-code-text .source=${this.wgsl} language="wgsl"></fulgurite-code-text>
              </div>`
        }
      </details>`;
  }
}

customElements.define("fulgurite-reward-output", FulguriteRewardOutput);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-reward-output": FulguriteRewardOutput;
  }
}
