import { css, html, LitElement, svg, type SVGTemplateResult, type TemplateResult } from "lit";
import type { Curve } from "../train/events.ts";
import { formatFigure } from "./format.ts";
import { metricView, type RunKind } from "./metrics.ts";
import { MetricEvent } from "./metric-event.ts";
import { decimate, measured, smooth, type Series } from "./series.ts";
import { base } from "./tokens.css.ts";

/** What one watches, beside its figure, while a policy learns. */
const shown: Readonly<Record<RunKind, readonly string[]>> = {
  agentic: ["rewardMean", "successRate", "zeroVarianceGroups", "entropy"],
  supervised: ["loss", "accuracy", "entropy", "gradientNorm"],
  simulated: [
    "entropy",
    "approximateKl",
    "clipFraction",
    "explainedVariance",
    "gradientNorm",
    "episodeCost",
    "stepsPerSecond",
  ],
};
/** Only runs over pairs have an accuracy, and only runs under a limit a cost. */
const optional = new Set(["accuracy", "episodeCost"]);
/** Shares are drawn from nothing to everything. */
const shares = new Set(["successRate", "zeroVarianceGroups", "accuracy"]);
/** So many stand beside each other. */
const MOST = 6;
const POINTS = 240;
const HEIGHT = 40;
const WIDTH = 200;

/**
 * `<fulgurite-small-multiples>`: a few curves at a glance. Each is a button that shows it large; dispatches
 * "fulgurite-metric".
 */
export class FulguriteSmallMultiples extends LitElement {
  static override properties = { curve: { attribute: false }, metric: {}, kind: {} };

  static override styles = [
    base,
    css`
      :host {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(144px, 100%), 1fr));
        gap: 0 16px;
        margin-block-start: 8px;
      }
      p {
        grid-column: 1 / -1;
        margin: 0;
        font: 400 var(--size-small) / 20px var(--font-text);
        color: var(--ink-quiet);
      }
      button {
        display: block;
        padding: 8px 8px 4px;
        margin-inline: -8px;
        border: 0;
        border-radius: var(--radius);
        background: none;
        font: 400 var(--size-small) / 20px var(--font-text);
        color: var(--ink-quiet);
        text-align: start;
        cursor: pointer;
      }
      button:hover {
        background: var(--surface);
      }
      .line {
        display: flex;
        justify-content: space-between;
        gap: 8px;
        min-inline-size: 0;
      }
      .name {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      b {
        font-weight: 600;
        color: var(--ink);
        font-variant-numeric: tabular-nums;
      }
      button[aria-pressed="true"] .name {
        color: var(--accent-ink);
        font-weight: 550;
      }
      svg {
        display: block;
        inline-size: 100%;
        block-size: ${HEIGHT}px;
        overflow: visible;
        fill: none;
        stroke-linejoin: round;
      }
      .base {
        stroke: var(--hairline);
      }
      .raw {
        stroke: var(--series-0);
        opacity: 0.25;
      }
      .smoothed {
        stroke: var(--series-0);
        stroke-width: 1.75;
      }
      path {
        vector-effect: non-scaling-stroke;
      }
    `,
  ];

  declare curve: Curve | null;
  declare metric: string;
  declare kind: RunKind;

  constructor() {
    super();
    this.curve = null;
    this.metric = "";
    this.kind = "agentic";
  }

  override render(): TemplateResult {
    return html`<p>While training, smoothed over updates</p>
      ${shown[this.kind]
        .filter((name) => this.#isMeasured(name))
        .slice(0, MOST)
        .map((name) => this.#small(name))}`;
  }

  #isMeasured(name: string): boolean {
    return !optional.has(name) || (this.curve?.columns[name]?.some(Number.isFinite) ?? false);
  }

  #small(name: string): TemplateResult {
    const { title, short = title, hint } = metricView(name, this.kind);
    const raw = measured(this.curve?.step ?? [], this.curve?.columns[name] ?? []);
    const smoothed = smooth(raw);
    const last = smoothed.y.at(-1);
    return html`<button
      aria-pressed=${name === this.metric ? "true" : "false"}
      title=${`${title}: ${hint}`}
      @click=${() => this.dispatchEvent(new MetricEvent(name))}
    >
      <span class="line"
        ><span class="name" aria-hidden="true">${short}</span><span class="visually-hidden">${title}</span
        ><b>${formatFigure(last)}</b></span
      >
      ${picture(raw, smoothed, shares.has(name))}
    </button>`;
  }
}

function picture(raw: Series, smoothed: Series, share: boolean): TemplateResult {
  const x1 = raw.x.at(-1) ?? 1;
  let low = share ? 0 : Math.min(0, ...decimate(raw, POINTS).y);
  let high = share ? 1 : Math.max(...decimate(raw, POINTS).y, -Infinity);
  if (!(high > low)) [low, high] = [low, low + 1];
  if (!Number.isFinite(low)) low = 0;
  const path = (series: Series, kind: string): SVGTemplateResult => {
    const { x, y } = decimate(series, POINTS);
    const points = Array.from(x, (at, i) => {
      const px = (at / x1) * WIDTH;
      const py = HEIGHT - 2 - ((y[i]! - low) / (high - low)) * (HEIGHT - 4);
      return `${px.toFixed(1)},${py.toFixed(1)}`;
    });
    return svg`<path class=${kind} d=${points.length > 1 ? `M${points.join("L")}` : ""} />`;
  };
  return html`<svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
    <path class="base" d=${`M0,${HEIGHT - 1}H${WIDTH}`} />
    ${path(raw, "raw")} ${path(smoothed, "smoothed")}
  </svg>`;
}

customElements.define("fulgurite-small-multiples", FulguriteSmallMultiples);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-small-multiples": FulguriteSmallMultiples;
  }
}
