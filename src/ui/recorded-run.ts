import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Run } from "../store/records.ts";
import { baselineOf } from "../train/baseline.ts";
import { stepUnit } from "../train/step-unit.ts";
import "./answers.ts";
import "./curve.ts";
import type { CurveLine } from "./curve.ts";
import { formatCount } from "./format.ts";
import { engineWord } from "./engine-word.ts";
import type { MetricEvent } from "./metric-event.ts";
import { evaluatedMetric, type RunKind } from "./metrics.ts";
import { recordedBaselines, shownBaselines, type RecordedRun } from "./recorded.ts";
import { rolloutsInMemory, type RolloutSource } from "./rollout-source.ts";
import { baselineWords, runFigure } from "./run-figure.ts";
import "./rollouts.ts";
import { runStyles } from "./run.css.ts";
import "./small-multiples.ts";
import { base, buttons } from "./tokens.css.ts";

/** `<fulgurite-recorded-run>`: what a run came to that somebody else recorded, before anything runs here. */
export class FulguriteRecordedRun extends LitElement {
  static override properties = {
    recorded: { attribute: false },
    others: { attribute: false },
    runnable: { type: Boolean },
    metric: { state: true },
  };

  static override styles = [base, buttons, runStyles];

  declare recorded: RecordedRun | null;
  /** What else was recorded with the notebook: baselines. */
  declare others: readonly RecordedRun[];
  /** Whether the page may run a cell that it is asked to. */
  declare runnable: boolean;
  declare metric: string;

  #source: RolloutSource | null = null;
  #run: Run | null = null;
  #lines: readonly CurveLine[] = [];

  constructor() {
    super();
    this.recorded = null;
    this.others = [];
    this.runnable = false;
    this.metric = "";
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const { recorded } = this;
    if (!changed.has("recorded") || !recorded) return;
    const { curve, rollouts } = recorded;
    this.metric = evaluatedMetric(kindOf(recorded));
    this.#lines = [{ label: { short: "recorded", full: "recorded" }, curve, current: true }];
    this.#source = rollouts.length > 0 ? rolloutsInMemory(rollouts) : null;
    this.#run = rollouts.length > 0 ? recordedRow(recorded, rollouts[0]!.runId) : null;
  }

  override render(): TemplateResult | typeof nothing {
    const { recorded } = this;
    if (!recorded) return nothing;
    const { curve, metrics, engine, adapter, commit, recordedAt, seed } = recorded;
    const kind = kindOf(recorded);
    const agentic = kind === "agentic";
    const known = baselineOf(metrics);
    const wanted = agentic && recorded.sampledFrom === null && (recorded.likeness !== null || known !== null);
    const baselines = wanted ? shownBaselines([], recordedBaselines(recorded.likeness, this.others)) : [];
    const answers = agentic && recorded.rollouts.some(({ mode }) => mode === "evaluation");
    const steps = curve.step.at(-1) ?? 0;
    const onMetric = (event: MetricEvent): void => {
      this.metric = event.metric;
    };
    return html`
      <header>${runFigure(kind, curve, metrics, null)}</header>
      <div class="words">
        <p>
          <b>Recorded</b> on ${engineWord(engine)} · ${adapter} ·
          ${commit === null ? nothing : html`commit ${commit.slice(0, 7)} · `}${dateWords(recordedAt)} · seed
          ${seed} · ${formatCount(steps)} ${stepUnit(kind)}
        </p>
        <p>Nothing has run here yet.</p>
      </div>
      ${wanted ? baselineWords(baselines, known, this.runnable) : nothing}
      <div class=${answers ? "views" : "views single"}>
        ${
          answers
            ? html`<fulgurite-answers
                .source=${this.#source}
                .runId=${this.#run?.id ?? ""}
                .evaluations=${curve.evaluations.step.length}
                kept
              ></fulgurite-answers>`
            : nothing
        }
        <fulgurite-curve
          .lines=${this.#lines}
          .metric=${this.metric}
          .kind=${kind}
          .steps=${steps}
        ></fulgurite-curve>
      </div>
      ${
        agentic
          ? html`<fulgurite-small-multiples
              .curve=${curve}
              .metric=${this.metric}
              @fulgurite-metric=${onMetric}
            ></fulgurite-small-multiples>`
          : nothing
      }
      ${
        this.#source
          ? html`<fulgurite-rollouts .source=${this.#source} .run=${this.#run}></fulgurite-rollouts>`
          : nothing
      }
    `;
  }
}

const kindOf = ({ curve }: RecordedRun): RunKind =>
  curve.columns["successRate"] !== undefined
    ? "agentic"
    : curve.columns["epoch"] !== undefined
      ? "supervised"
      : "simulated";

/** A recorded run as a row of the store, for the views that ask for one. */
const recordedRow = (recorded: RecordedRun, id: string): Run => ({
  id,
  kind: "agentic",
  name: recorded.cell,
  notebook: recorded.notebook,
  cell: recorded.cell,
  job: null,
  seed: recorded.seed,
  engine: recorded.engine,
  adapter: recorded.adapter,
  status: "succeeded",
  reason: null,
  update: 0,
  updates: 0,
  step: 0,
  steps: 0,
  createdAt: 0,
  updatedAt: 0,
  activeTime: 0,
  metrics: recorded.metrics,
});

function dateWords(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime())
    ? iso
    : date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
}

customElements.define("fulgurite-recorded-run", FulguriteRecordedRun);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-recorded-run": FulguriteRecordedRun;
  }
}
