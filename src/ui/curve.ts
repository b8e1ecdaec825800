import { stepUnit } from "../train/step-unit.ts";
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { Curve } from "../worker/api.ts";
import type { CurvePicture, DrawnLine } from "./curve-plot.ts";
import { formatCount, formatFigure } from "./format.ts";
import { icon } from "./icons.ts";
import type { RunLabel } from "./run-differences.ts";
import { evaluatedMetric, evaluationWords, metricView, type RunKind } from "./metrics.ts";
import { decimate, measured, smooth, type Series } from "./series.ts";
import { base, buttons } from "./tokens.css.ts";

/** One run on the picture. */
export interface CurveLine {
  /** Direct label at the line's end; the short one where there is little room. */
  readonly label: RunLabel;
  readonly curve: Curve;
  /** The run that the person is looking at; exactly one. */
  readonly current: boolean;
}

interface CurrentSeries {
  readonly raw: Series;
  readonly smoothed: Series;
  readonly curve: Curve;
}

const REDRAW_INTERVAL_MS = 250;
const TABLE_ROWS = 20;
const series = ["var(--series-1)", "var(--series-2)", "var(--series-3)", "var(--series-4)"];

/**
 * `<fulgurite-curve>`: learning curves over environment steps or rollouts. Raw faint behind smoothed, evaluations as
 * points with their range, direct labels. Redraws at most four times a second; Plot loads with the first curve.
 */
export class FulguriteCurve extends LitElement {
  static override properties = {
    lines: { attribute: false },
    metric: {},
    kind: {},
    steps: { type: Number },
    threshold: { type: Number },
    tabular: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        min-inline-size: 0;
      }
      figure {
        margin: 0;
      }
      .picture {
        block-size: var(--curve-height, 280px);
        position: relative;
        overflow: clip;
        overflow-clip-margin: 8px;
        --plot-background: var(--raised);
      }
      .picture svg {
        display: block;
        font-variant-numeric: tabular-nums;
        color: var(--ink-quiet);
      }
      .empty {
        position: absolute;
        inset: 0;
        display: grid;
        place-content: center;
        color: var(--ink-quiet);
        font-size: var(--size-small);
        text-align: center;
        margin: 0;
        pointer-events: none;
      }
      .empty span {
        padding: 4px 8px;
        background: var(--paper);
      }
      figcaption {
        display: flex;
        align-items: flex-start;
        justify-content: space-between;
        gap: 8px;
        min-block-size: 40px;
        padding-block-start: 4px;
        font-size: var(--size-small);
        line-height: 20px;
        color: var(--ink-quiet);
      }
      figcaption p {
        margin: 6px 0 0;
      }
      .scroll {
        block-size: var(--curve-height, 280px);
        overflow: auto;
      }
      table {
        inline-size: 100%;
        border-collapse: collapse;
        font-size: var(--size-small);
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 4px 8px;
        text-align: end;
        font-weight: 400;
        border-block-end: 1px solid var(--hairline);
      }
      thead th {
        position: sticky;
        inset-block-start: 0;
        background: var(--paper);
        color: var(--ink-quiet);
      }
    `,
  ];

  declare lines: readonly CurveLine[];
  declare metric: string;
  declare kind: RunKind;
  declare steps: number;
  declare threshold: number | null;
  declare tabular: boolean;

  #width = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawnAt = 0;
  readonly #resize = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (width === this.#width) return;
    this.#width = width;
    this.#schedule();
  });

  constructor() {
    super();
    this.lines = [];
    this.metric = "environmentReturn";
    this.kind = "simulated";
    this.steps = 0;
    this.threshold = null;
    this.tabular = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  protected override updated(): void {
    this.#schedule();
  }

  override render(): TemplateResult {
    const current = this.#current();
    return html`<figure>
      ${
        this.tabular
          ? this.#table(current)
          : html`<div class="picture" role="img" aria-label=${`Learning curve. ${this.#summary()}`}>
              <div id="plot"></div>
              ${
                this.lines.every(({ curve }) => this.#measured(curve).x.length === 0)
                  ? html`<p class="empty">
                      <span
                        >${
                          this.kind === "simulated"
                            ? "The curve begins with the first finished episode."
                            : "The curve begins with the first update."
                        }</span
                      >
                    </p>`
                  : nothing
              }
            </div>`
      }
      <figcaption>
        <p>${this.#summary()}</p>
        <button
          class="bare"
          title=${this.tabular ? "Show the curve" : "Show the numbers"}
          aria-label=${this.tabular ? "Show the curve" : "Show the numbers"}
          aria-pressed=${this.tabular ? "true" : "false"}
          @click=${() => (this.tabular = !this.tabular)}
        >
          ${icon(this.tabular ? "curve" : "table")}
        </button>
      </figcaption>
    </figure>`;
  }

  #current(): CurrentSeries | null {
    const line = this.lines.find(({ current }) => current);
    if (!line) return null;
    return { ...this.#series(line.curve), curve: line.curve };
  }

  #measured(curve: Curve): Series {
    return measured(curve.step, curve.columns[this.metric] ?? []);
  }

  #series(curve: Curve): { raw: Series; smoothed: Series } {
    const raw = this.#measured(curve);
    return { raw, smoothed: smooth(raw) };
  }

  /** The picture in a sentence, for everyone. */
  #summary(): string {
    const current = this.#current();
    const { title } = metricView(this.metric, this.kind);
    if (!current || current.smoothed.y.length === 0) return "Nothing measured yet.";
    const { y, x } = current.smoothed;
    const begin = formatFigure(current.raw.y[0]);
    const words = `${title[0]!.toUpperCase()}${title.slice(1)} ${begin} at first, ${formatFigure(y.at(-1))} after ${formatCount(x.at(-1)!)} ${stepUnit(this.kind)}.`;
    const { mean, low, high } = current.curve.evaluations;
    if (this.metric !== evaluatedMetric(this.kind) || mean.length === 0) return words;
    const [lowest, highest] = [formatFigure(low.at(-1)), formatFigure(high.at(-1))];
    const range = lowest === highest ? "" : ` (${lowest} to ${highest})`;
    return `${words} ${evaluationWords(this.kind)} ${formatFigure(mean.at(-1))}${range}.`;
  }

  #table(current: CurrentSeries | null): TemplateResult {
    const { title } = metricView(this.metric, this.kind);
    const smoothed = current?.smoothed ?? { x: new Float64Array(), y: new Float64Array() };
    const count = smoothed.x.length;
    const rows = Array.from({ length: Math.min(count, TABLE_ROWS) }, (_, i) =>
      Math.round(((i + 1) * count) / Math.min(count, TABLE_ROWS) - 1),
    );
    const evaluations = current?.curve.evaluations;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Curve as numbers">
      <table>
        <thead>
          <tr>
            <th scope="col">${stepUnit(this.kind)}</th>
            <th scope="col">${title}, smoothed</th>
            <th scope="col">evaluation until then</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) => {
            const step = smoothed.x[row]!;
            const at = evaluations?.step.findLastIndex((other) => other <= step) ?? -1;
            return html`<tr>
              <th scope="row">${formatCount(step)}</th>
              <td>${formatFigure(smoothed.y[row])}</td>
              <td>${formatFigure(evaluations?.mean[at])}</td>
            </tr>`;
          })}
        </tbody>
      </table>
    </div>`;
  }

  #schedule(): void {
    if (this.#timer !== undefined || !this.isConnected || this.tabular) return;
    const wait = Math.max(0, this.#drawnAt + REDRAW_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#draw();
    }, wait);
  }

  async #draw(): Promise<void> {
    const { drawCurve } = await import("./curve-plot.ts");
    const picture = this.#picture();
    const host = this.renderRoot.querySelector("#plot");
    if (!picture || !host) return;
    this.#drawnAt = performance.now();
    const drawn = drawCurve(picture);
    drawn.setAttribute("aria-hidden", "true");
    host.replaceChildren(drawn);
  }

  #picture(): CurvePicture | null {
    if (this.#width < 80 || this.lines.length === 0) return null;
    const others = this.lines.filter(({ current }) => !current);
    const current = this.lines.find((line) => line.current);
    const evaluated = this.metric === evaluatedMetric(this.kind);
    const drawn = (line: CurveLine, colour: string): DrawnLine => {
      const { raw, smoothed } = this.#series(line.curve);
      return {
        label: line.label,
        colour,
        raw: line.current ? decimate(raw) : null,
        smoothed: decimate(smoothed),
        emphasised: line.current,
      };
    };
    const lines = others.map((line, i) => drawn(line, series[i % series.length]!)).reverse();
    if (current) lines.push(drawn(current, "var(--series-0)"));
    const points = current?.curve.evaluations;
    const longest = Math.max(this.steps, ...this.lines.map(({ curve }) => curve.step.at(-1) ?? 0), 1);
    return {
      width: this.#width,
      height: this.renderRoot.querySelector(".picture")?.clientHeight ?? 280,
      steps: longest,
      unit: stepUnit(this.kind),
      // A share is read against nothing and everything.
      yRange: this.kind === "agentic" && evaluated ? [0, 1] : null,
      yTitle: metricView(this.metric, this.kind).title,
      lines,
      evaluations:
        points && evaluated
          ? Array.from(points.step, (step, i) => ({
              step,
              mean: points.mean[i]!,
              low: points.low[i]!,
              high: points.high[i]!,
            }))
          : [],
      evaluationLabel: this.kind === "simulated" ? "evaluation" : "held-out",
      evaluationColour: "var(--ink)",
      threshold:
        this.threshold !== null && evaluated
          ? { value: this.threshold, label: `solved at ${formatFigure(this.threshold)}` }
          : null,
    };
  }
}

customElements.define("fulgurite-curve", FulguriteCurve);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-curve": FulguriteCurve;
  }
}
