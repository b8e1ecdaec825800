import { css, html, LitElement, type PropertyValues, type TemplateResult } from "lit";
import { curveBand } from "../train/curve-band.ts";
import { bootstrapInterval, interquartileMean } from "../train/interquartile-mean.ts";
import type { CurvePicture, DrawnLine } from "./curve-plot.ts";
import { formatCount, formatFigure } from "./format.ts";
import { RunModel } from "./run-model.ts";
import { base } from "./tokens.css.ts";
import type { TrainerClient } from "./trainer-client.ts";

/** One run, and what it tries. */
export interface SweptRun {
  readonly runId: string;
  readonly setting: string;
}

const CONFIDENCE = 0.95;
const REDRAW_INTERVAL_MS = 500;
const METRIC = "rollout.return.last100";
const colours = [0, 1, 2, 3, 4].map((i) => `var(--series-${i})`);

/**
 * `<fulgurite-sweep>`: settings tried over seeds, as they train. For each the interquartile mean of its runs' returns
 * and the bootstrap's 95 % interval around it, as a band and in a table.
 */
export class FulguriteSweep extends LitElement {
  static override properties = {
    runs: { attribute: false },
    trainer: { attribute: false },
    revision: { state: true },
  };

  static override styles = [
    base,
    css`
      :host {
        display: block;
        min-inline-size: 0;
      }
      .picture {
        block-size: 300px;
        overflow: clip;
        overflow-clip-margin: 8px;
        color: var(--ink-quiet);
        font-variant-numeric: tabular-nums;
        --plot-background: var(--raised);
      }
      .scroll {
        overflow-x: auto;
      }
      table {
        border-spacing: 0;
        font-size: var(--size-small);
        line-height: 24px;
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 4px 24px 4px 0;
        text-align: end;
        font-weight: 400;
        white-space: nowrap;
        border-block-end: 1px solid var(--hairline);
      }
      thead th {
        color: var(--ink-quiet);
      }
      th:first-child {
        text-align: start;
      }
      tbody th {
        font-weight: 600;
      }
      i {
        display: inline-block;
        inline-size: 8px;
        block-size: 8px;
        margin-inline-end: 8px;
        border-radius: 50%;
      }
      p {
        margin: 8px 0 0;
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
      }
    `,
  ];

  declare runs: readonly SweptRun[];
  declare trainer: TrainerClient | null;
  declare revision: number;

  readonly #models = new Map<string, RunModel>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #width = 0;
  readonly #resize = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (width === this.#width) return;
    this.#width = width;
    this.#later();
  });

  constructor() {
    super();
    this.runs = [];
    this.trainer = null;
    this.revision = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize.observe(this);
    this.#follow();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const model of this.#models.values()) model.unwatch();
    this.#models.clear();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("runs") || changed.has("trainer")) this.#follow();
  }

  protected override updated(): void {
    void this.#draw();
  }

  #follow(): void {
    if (!this.trainer || !this.isConnected) return;
    const wanted = new Set(this.runs.map(({ runId }) => runId));
    for (const [id, model] of this.#models) {
      if (wanted.has(id)) continue;
      model.unwatch();
      this.#models.delete(id);
    }
    for (const id of wanted) {
      if (this.#models.has(id)) continue;
      const model = new RunModel(id);
      model.addEventListener("change", () => {
        this.#later();
      });
      model.watch(this.trainer);
      this.#models.set(id, model);
    }
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.revision++;
    }, REDRAW_INTERVAL_MS);
  }

  /** In the order in which they were begun, each with what is known of its runs. */
  #settings(): { readonly name: string; readonly models: readonly RunModel[] }[] {
    const names = [...new Set(this.runs.map(({ setting }) => setting))];
    return names.map((name) => ({
      name,
      models: this.runs
        .filter(({ setting }) => setting === name)
        .flatMap(({ runId }) => this.#models.get(runId) ?? []),
    }));
  }

  override render(): TemplateResult {
    const settings = this.#settings();
    const ended = [...this.#models.values()].filter((model) => hasEnded(model)).length;
    const rows = settings.map(({ name, models }) => {
      const scores = models
        .filter((model) => hasEnded(model))
        .map((model) => model.progress?.metrics[METRIC] ?? NaN)
        .filter(Number.isFinite);
      return { name, scores, mean: interquartileMean(scores), interval: bootstrapInterval(scores) };
    });
    const words = rows.map(({ name, mean }) => `${name} ${formatFigure(mean)}`).join(", ");
    return html`<div
        class="picture"
        role="img"
        aria-label=${`Returns of the settings, interquartile mean: ${words}`}
      >
        <div id="plot"></div>
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Settings compared">
        <table>
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Seeds</th>
              <th scope="col">Interquartile mean</th>
              <th scope="col">95 % interval</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              ({ name, scores, mean, interval: [low, high] }, i) =>
                html`<tr>
                  <th scope="row"><i style=${`background: ${colours[i % colours.length]!}`}></i>${name}</th>
                  <td>${scores.length}</td>
                  <td>${scores.length === 0 ? "–" : formatFigure(mean)}</td>
                  <td>${scores.length < 2 ? "–" : `${formatFigure(low)} to ${formatFigure(high)}`}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      <p role="status">
        ${formatCount(ended)} of ${formatCount(this.runs.length)} runs begun have ended. Return of the last
        100 episodes; the bands are bootstrap intervals over the seeds.
      </p>`;
  }

  async #draw(): Promise<void> {
    const settings = this.#settings();
    const host = this.renderRoot.querySelector("#plot");
    if (!host || this.#width < 80) return;
    const lines = settings.flatMap(({ name, models }, i): DrawnLine[] => {
      // A band ends where its shortest run does: what has just begun waits until it has ended.
      const ended = models.filter((model) => hasEnded(model));
      const curves = (ended.length > 0 ? ended : models).flatMap(({ curve }) =>
        curve && curve.step.length > 0
          ? [{ step: curve.step, value: curve.columns["environmentReturn"] ?? [] }]
          : [],
      );
      if (curves.length === 0) return [];
      const band = curveBand(curves, CONFIDENCE);
      const known = [...band.step.keys()].filter((at) => Number.isFinite(band.mean[at]!));
      const pick = (values: Float64Array): Float64Array => Float64Array.from(known, (at) => values[at]!);
      return [
        {
          label: { short: name, full: name },
          colour: colours[i % colours.length]!,
          raw: null,
          smoothed: { x: pick(band.step), y: pick(band.mean) },
          band: { low: pick(band.low), high: pick(band.high) },
          emphasised: false,
        },
      ];
    });
    const { drawCurve } = await import("./curve-plot.ts");
    const picture: CurvePicture = {
      width: this.#width,
      height: 300,
      steps: Math.max(1, ...[...this.#models.values()].map(({ progress }) => progress?.steps ?? 0)),
      unit: "steps",
      yRange: null,
      yTitle: "return",
      lines,
      evaluations: [],
      evaluationLabel: "",
      evaluationColour: "var(--ink)",
      threshold: null,
    };
    const drawn = drawCurve(picture);
    drawn.setAttribute("aria-hidden", "true");
    host.replaceChildren(drawn);
  }
}

const hasEnded = ({ progress }: RunModel): boolean =>
  progress?.status === "succeeded" || progress?.status === "failed" || progress?.status === "cancelled";

customElements.define("fulgurite-sweep", FulguriteSweep);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-sweep": FulguriteSweep;
  }
}
