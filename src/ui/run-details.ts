import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { Run } from "../store/records.ts";
import { stepUnit } from "../train/step-unit.ts";
import { formatCount, formatFigure } from "./format.ts";
import "./code-text.ts";
import { foldStyles } from "./fold.css.ts";
import { hyperParameter } from "./hyper-parameters.ts";
import { icon } from "./icons.ts";
import { MetricEvent } from "./metric-event.ts";
import { metricView, metricViews, rewardParts, runKindOf, type MetricView, type RunKind } from "./metrics.ts";
import { newestFirst, rewardText, runLabels, settings, UNSET } from "./run-differences.ts";
import "./term.ts";
import { base, buttons } from "./tokens.css.ts";

/** The person pressed Delete twice. */
export class DeleteRunEvent extends Event {
  readonly run: Run;
  constructor(run: Run) {
    super("fulgurite-delete-run");
    this.run = run;
  }
}

/** The person ends another run that has not ended. */
export class StopRunEvent extends Event {
  readonly run: Run;
  constructor(run: Run) {
    super("fulgurite-stop-run");
    this.run = run;
  }
}

/** Whether the run can still go on. */
export const isLive = ({ status }: Run): boolean =>
  status === "queued" || status === "running" || status === "paused";

/** `<fulgurite-run-details>`: what is folded below a run: which curve, last figures, settings, earlier runs. */
export class FulguriteRunDetails extends LitElement {
  static override properties = {
    record: { attribute: false },
    others: { attribute: false },
    metrics: { attribute: false },
    metric: {},
    kind: {},
    asking: { state: true },
  };

  static override styles = [
    base,
    buttons,
    foldStyles,
    css`
      .folded {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr));
        gap: 8px 48px;
        padding-block-end: 16px;
      }
      h3 {
        margin: 8px 0 4px;
        font: 600 var(--size-small) / 24px var(--font-text);
      }
      dl {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 0 24px;
        margin: 0;
      }
      dt {
        color: var(--ink-quiet);
      }
      dd {
        margin: 0;
        text-align: end;
        font-variant-numeric: tabular-nums;
        overflow-wrap: anywhere;
      }
      .unset {
        margin: 8px 0 0;
        color: var(--ink-quiet);
      }
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 16px;
        border-block-end: 1px solid var(--hairline);
      }
      li small {
        color: var(--ink-quiet);
        font-size: inherit;
      }
      .choose small {
        font-size: inherit;
        color: var(--ink-quiet);
      }
      select {
        max-inline-size: 100%;
        padding: 7px 8px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--paper);
      }
      .choose {
        display: flex;
        align-items: center;
        flex-wrap: wrap;
        gap: 0 8px;
        margin-block-end: 8px;
      }
    `,
  ];

  declare record: Run | null;
  /** The cell's other runs. */
  declare others: readonly Run[];
  /** Last known figures of this run. */
  declare metrics: Readonly<Record<string, number>>;
  /** Whose curve is shown. */
  declare metric: string;
  declare kind: RunKind;
  /** The run whose deletion waits for a second press. */
  declare asking: string | null;

  constructor() {
    super();
    this.record = null;
    this.others = [];
    this.metrics = {};
    this.metric = "environmentReturn";
    this.kind = "simulated";
    this.asking = null;
  }

  #delete(run: Run): void {
    const sure = this.asking === run.id;
    this.asking = sure ? null : run.id;
    if (sure) this.dispatchEvent(new DeleteRunEvent(run));
  }

  override render(): TemplateResult {
    return html`<details class="fold">
      <summary>${icon("chevron")}Settings, figures and earlier runs</summary>
      <div class="folded">
        <div>${this.#curveChoice()} ${this.#figures()}</div>
        <div>${this.#settings()}</div>
        <div>${this.#earlier()}</div>
      </div>
    </details>`;
  }

  #curveChoice(): TemplateResult {
    return html`<h3>Curve</h3>
      <label class="choose"
        >Show
        <select
          @change=${(event: Event) =>
            this.dispatchEvent(new MetricEvent((event.target as HTMLSelectElement).value))}
        >
          ${[...this.#measured(), ...rewardParts(this.metrics)].map(
            ({ name, title }) =>
              html`<option value=${name} ?selected=${name === this.metric}>${title}</option>`,
          )}
        </select>
        <small>${metricView(this.metric, this.kind).hint}</small></label
      >`;
  }

  /** The kind's curves, optional ones only where there is something to see. */
  #measured(): readonly MetricView[] {
    return metricViews[this.kind].filter(
      ({ name, optional }) => optional !== true || Number.isFinite(this.metrics[`update.${name}`]),
    );
  }

  #figures(): TemplateResult {
    const known = this.#measured().filter(({ name }) => this.metrics[`update.${name}`] !== undefined);
    if (known.length === 0) return html``;
    return html`<h3>Last update</h3>
      <dl>
        ${known.map(
          ({ name, title }) =>
            html`<dt>${title}</dt>
              <dd>${formatFigure(this.metrics[`update.${name}`])}</dd>`,
        )}
      </dl>`;
  }

  #settings(): TemplateResult {
    const shown = [...settings(this.record?.job ?? {})].filter(
      ([path]) => !/^(reward|agent|environment)\./.test(path) && path !== "kind",
    );
    const [set, unset] = [true, false].map((isSet) => shown.filter(([, text]) => (text !== UNSET) === isSet));
    const reward = rewardText(this.record?.job);
    return html`${
        reward === ""
          ? nothing
          : html`<h3>Reward of this run</h3>
              <fulgurite-code-text .source=${reward} language="ts"></fulgurite-code-text>`
      }
      <h3>Settings of this run</h3>
      <dl>
        ${set!.map(
          ([path, text]) =>
            html`<dt>${settingTerm(path, this.kind)}</dt>
              <dd>${text}</dd>`,
        )}
      </dl>
      ${
        unset!.length === 0
          ? nothing
          : html`<p class="unset">
              Not set: ${unset!.map(([path], i) => [i > 0 ? ", " : "", settingTerm(path, this.kind)])}
            </p>`
      }`;
  }

  #earlier(): TemplateResult {
    const { record } = this;
    const all = newestFirst(record ? [record, ...this.others] : this.others);
    const names = runLabels(all);
    const earlier = all.filter((run) => run !== record);
    return html`<h3>Other runs of this cell</h3>
      ${
        earlier.length === 0
          ? html`<p>None yet. Run the cell again, and both curves lie over each other.</p>`
          : html`<ul>
              ${earlier.map(
                (run) =>
                  html`<li>
                    <span
                      >${names[all.indexOf(run)]?.full}
                      <small
                        >${run.status}, ${formatFigure(evaluated(run))} after ${formatCount(run.step)}
                        ${stepUnit(runKindOf(run))}</small
                      ></span
                    >
                    <span>
                      ${
                        isLive(run)
                          ? html`<button
                              class="bare"
                              @click=${() => {
                                this.dispatchEvent(new StopRunEvent(run));
                              }}
                            >
                              Stop
                            </button>`
                          : nothing
                      }
                      <button
                        class="bare"
                        @click=${() => {
                          this.#delete(run);
                        }}
                      >
                        ${this.asking === run.id ? "Delete for good?" : "Delete"}
                      </button>
                    </span>
                  </li>`,
              )}
            </ul>`
      }`;
  }
}

/** A setting by its name, explained on hover where it is a hyper-parameter. */
const settingTerm = (path: string, kind: RunKind): TemplateResult =>
  html`<fulgurite-term
    .word=${path === "algorithm.kind" ? "algorithm" : path.replace(/^algorithm\./, "")}
    .about=${hyperParameter(path, kind) ?? null}
  ></fulgurite-term>`;

/** Mean of the run's last evaluation. */
const evaluated = ({ metrics }: Run): number | undefined =>
  Object.entries(metrics).find(([name]) => /^evaluation\.\w+\.mean$/.test(name))?.[1];

customElements.define("fulgurite-run-details", FulguriteRunDetails);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-run-details": FulguriteRunDetails;
  }
}
