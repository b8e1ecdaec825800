import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { environmentByName } from "../env/registry.ts";
import type { ErrorData } from "../gpu/error.ts";
import type { Run } from "../store/records.ts";
import { baselineOf, cloningBaselines, likeness, wantsBaseline, type Baseline } from "../train/baseline.ts";
import type { Job, RunProgress } from "../train/job.ts";
import { stepUnit } from "../train/step-unit.ts";
import "./answers.ts";
import { runStateWord } from "./cell-words.ts";
import "./curve.ts";
import type { CurveLine } from "./curve.ts";
import { engineWord } from "./engine-word.ts";
import { environmentPort } from "./environment-port-event.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { formatBytes, formatCompact, formatCount, formatDuration, formatFigure } from "./format.ts";
import { icon } from "./icons.ts";
import { evaluatedMetric, isRewardPart, metricViews, runKindOf, type RunKind } from "./metrics.ts";
import "./rollouts.ts";
import { newestFirst, runLabels, type RunLabel } from "./run-differences.ts";
import type { MetricEvent } from "./metric-event.ts";
import { RunStatusEvent } from "./run-status-event.ts";
import { isLive, type DeleteRunEvent, type StopRunEvent } from "./run-details.ts";
import "./run-files.ts";
import type { LoadedRunEvent } from "./run-files.ts";
import { runStyles } from "./run.css.ts";
import { RunModel } from "./run-model.ts";
import "./small-multiples.ts";
import { recordedBaselines, shownBaselines, type RecordedRun } from "./recorded.ts";
import { RunCellEvent } from "./run-cell-event.ts";
import { baselineWords, runFigure } from "./run-figure.ts";
import "./stage.ts";
import type { Playback } from "./stage.ts";
import { base, buttons } from "./tokens.css.ts";
import { asError, type TrainerClient } from "./trainer-client.ts";

/** What a person asks of a run. */
type Command = "pause" | "resume" | "step" | "stop" | "goBack";

/** Earlier runs laid under the present one; more are counted, not drawn. */
const OVERLAID_RUNS = 4;

/**
 * `<fulgurite-run>`: one training run. The policy acts beside its learning curve, or the agent answers beside it;
 * controls, progress and figures above, rollouts, settings and earlier runs folded below. Dispatches "fulgurite-run-cell" (composed) when the
 * person asks for a new run.
 */
export class FulguriteRun extends LitElement {
  static override properties = {
    runId: { attribute: "run-id" },
    trainer: { attribute: false },
    notebook: {},
    cell: {},
    revision: { state: true },
    metric: { state: true },
    failure: { state: true },
    stale: { type: Boolean },
    recorded: { attribute: false },
  };

  static override styles = [base, buttons, errorNoteStyles, runStyles];

  declare runId: string;
  declare trainer: TrainerClient | null;
  declare notebook: string;
  declare cell: string;
  declare revision: number;
  declare metric: string;
  declare failure: ErrorData | null;
  /** The cell's code has changed since: running again is what comes next. */
  declare stale: boolean;
  /** Runs that were recorded with the notebook: baselines until there are some of one's own. */
  declare recorded: readonly RecordedRun[];

  #model: RunModel | null = null;
  #record: Run | null = null;
  #loaded = false;
  #told: Run["status"] | null = null;
  #others: Run[] = [];
  #baselines: readonly Baseline[] = [];
  #likeness: string | null = null;
  #otherModels = new Map<string, RunModel>();
  readonly #refresh = (): void => {
    this.revision++;
  };

  constructor() {
    super();
    this.runId = "";
    this.trainer = null;
    this.notebook = "";
    this.cell = "";
    this.revision = 0;
    this.metric = "environmentReturn";
    this.failure = null;
    this.stale = false;
    this.recorded = [];
  }

  /** A baseline that has come to its end in another cell. */
  readonly #onRunStatus = ({ runId, status }: RunStatusEvent): void => {
    if (status === "succeeded" && runId !== this.runId && this.#likeness !== null) void this.#loadRuns();
  };

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("fulgurite-run-status", this.#onRunStatus);
    if (this.hasUpdated) this.#follow();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("fulgurite-run-status", this.#onRunStatus);
    this.#leave();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("runId") || changed.has("trainer")) this.#follow();
  }

  #focusedControl: "first" | "step" | null = null;

  /** The button that has the focus may be about to be replaced by another, and the focus would be lost. */
  protected override update(changed: PropertyValues<this>): void {
    const focused = this.shadowRoot?.activeElement ?? null;
    const controls = this.#controlButtons();
    const index = focused === null ? -1 : controls.indexOf(focused as HTMLButtonElement);
    this.#focusedControl = index < 0 ? null : index === 1 ? "step" : "first";
    super.update(changed);
  }

  #controlButtons(): HTMLButtonElement[] {
    return [...(this.shadowRoot?.querySelectorAll<HTMLButtonElement>(".controls button") ?? [])];
  }

  /** The successor of a replaced button, or what is left to press. */
  #keepFocus(): void {
    if (this.#focusedControl === null || this.shadowRoot?.activeElement) return;
    const [first, step] = this.#controlButtons();
    const wanted = this.#focusedControl === "step" && step && !step.disabled ? step : first;
    wanted?.focus({ preventScroll: true });
  }

  protected override updated(): void {
    this.#keepFocus();
    const { status = null, reason = null } = this.#model?.progress ?? {};
    if (status === this.#told) return;
    this.#told = status;
    if (status !== null) this.dispatchEvent(new RunStatusEvent(this.runId, status, reason));
  }

  #leave(): void {
    this.#told = null;
    this.#model?.unwatch();
    this.#model?.removeEventListener("change", this.#refresh);
    this.#model = null;
    for (const model of this.#otherModels.values()) model.unwatch();
    this.#otherModels.clear();
  }

  #follow(): void {
    this.#leave();
    this.failure = null;
    this.#loaded = false;
    this.#baselines = [];
    this.#likeness = null;
    if (this.runId === "" || this.trainer === null) return;
    this.#model = new RunModel(this.runId);
    this.#model.addEventListener("change", this.#refresh);
    this.#model.watch(this.trainer);
    void this.#loadRuns();
  }

  /** The record of this run, and the curves of the cell's others. */
  async #loadRuns(): Promise<void> {
    const { trainer, runId } = this;
    if (!trainer) return;
    try {
      const query = this.cell === "" ? {} : { notebook: this.notebook, cell: this.cell };
      const runs = await trainer.runs(query);
      if (runId !== this.runId || !this.isConnected) return;
      this.#loaded = true;
      this.#loadBaseline(runs.find((run) => run.id === runId)).catch((error: unknown) => {
        this.failure = asError(error).toData();
      });
      this.#record = runs.find((run) => run.id === runId) ?? null;
      this.#others =
        this.cell === "" ? [] : runs.filter((run) => run.id !== runId && (run.update > 0 || isLive(run)));
      for (const run of this.#others.slice(0, OVERLAID_RUNS)) {
        if (this.#otherModels.has(run.id)) continue;
        const model = new RunModel(run.id);
        this.#otherModels.set(run.id, model);
        // What is stored is enough: an earlier run is a backdrop and does not need following.
        model.addEventListener("change", () => {
          if (!model.curve) return;
          model.unwatch();
          this.revision++;
        });
        model.watch(trainer);
      }
      this.revision++;
    } catch (error) {
      this.#loaded = true;
      this.failure = asError(error).toData();
    }
  }

  /** Also one that was trained after this run. */
  async #loadBaseline(run: Run | undefined): Promise<void> {
    const job = (run?.job ?? null) as Job | null;
    if (!run || !wantsBaseline(job)) return;
    const runs = await this.trainer?.runs(run.notebook === null ? {} : { notebook: run.notebook });
    if (run.id !== this.runId) return;
    this.#baselines = cloningBaselines(run, runs ?? []);
    this.#likeness = likeness(job);
    this.revision++;
  }

  async #command(action: Command): Promise<void> {
    this.failure = null;
    try {
      if (action === "resume" || action === "step") {
        const port = await environmentPort(this, this.#record?.job as Job | undefined);
        await this.trainer?.[action](this.runId, port);
      } else await this.trainer?.[action](this.runId);
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  async #delete(run: Run): Promise<void> {
    try {
      await this.trainer?.deleteRun(run.id);
      this.#otherModels.get(run.id)?.unwatch();
      this.#otherModels.delete(run.id);
      await this.#loadRuns();
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  async #stopOther(run: Run): Promise<void> {
    try {
      await this.trainer?.stop(run.id);
      await this.#loadRuns();
      this.dispatchEvent(new RunStatusEvent(run.id, "cancelled"));
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  #runAgain(): void {
    this.dispatchEvent(new RunCellEvent());
  }

  override render(): TemplateResult {
    const model = this.#model;
    const progress = model?.progress ?? null;
    const error = model?.error ?? this.failure;
    // Which views a run has depends on its record.
    if (!progress || !this.#loaded) {
      return error ? errorNote(error) : html`<p class="words opening" aria-busy="true">Opening the run…</p>`;
    }
    const share = progress.updates > 0 ? progress.update / progress.updates : 0;
    const paused = progress.status === "paused";
    const kind = this.#kind();
    const curve = model?.curve ?? null;
    const metric = this.#shownMetric(kind);
    // Of what failed before it began there is nothing to see.
    const begun = progress.status !== "failed" || progress.update > 0;
    return html`
      <header>
        ${runFigure(kind, curve, progress.metrics, (this.#record?.job ?? null) as Job | null)}
        <div class="controls" role="group" aria-label="Training">${this.#controls(progress.status)}</div>
      </header>
      <div
        class=${paused ? "track paused" : "track"}
        role="progressbar"
        aria-label="Training progress"
        aria-valuemin="0"
        aria-valuemax="100"
        aria-valuenow=${Math.round(share * 100)}
      >
        <div style=${`transform: scaleX(${share})`}></div>
      </div>
      ${this.#words()} ${this.#baselineWords(progress.metrics)} ${error ? errorNote(error) : nothing}
      ${begun ? this.#views(kind, metric, progress) : nothing}
      <fulgurite-run-details
        .record=${this.#record}
        .others=${this.#others}
        .metrics=${progress.metrics}
        .metric=${metric}
        .kind=${kind}
        @fulgurite-metric=${(event: MetricEvent) => (this.metric = event.metric)}
        @fulgurite-stop-run=${(event: StopRunEvent) => void this.#stopOther(event.run)}
        @fulgurite-delete-run=${(event: DeleteRunEvent) => void this.#delete(event.run)}
      ></fulgurite-run-details>
    `;
  }

  /** What a run that has begun measured and made. */
  #views(kind: RunKind, metric: string, progress: RunProgress): TemplateResult {
    const agentic = kind === "agentic";
    const curve = this.#model?.curve ?? null;
    const playback = this.#playback();
    const staged = kind === "simulated" && (progress.status !== "failed" || playback !== null);
    return html`
      <div class=${agentic || staged ? "views" : "views single"}>
        ${
          agentic
            ? html`<fulgurite-answers
                .source=${this.trainer}
                .runId=${this.runId}
                .evaluations=${curve?.evaluations.step.length ?? 0}
              ></fulgurite-answers>`
            : staged
              ? html`<fulgurite-stage .playback=${playback}></fulgurite-stage>`
              : nothing
        }
        <fulgurite-curve
          .lines=${this.#lines()}
          .metric=${metric}
          .kind=${kind}
          .steps=${progress.steps}
          .threshold=${kind === "simulated" ? this.#threshold() : null}
        ></fulgurite-curve>
      </div>
      <fulgurite-small-multiples
        .curve=${curve}
        .metric=${metric}
        .kind=${kind}
        @fulgurite-metric=${(event: MetricEvent) => (this.metric = event.metric)}
      ></fulgurite-small-multiples>
      ${
        agentic
          ? html`<fulgurite-rollouts
              .source=${this.trainer}
              .run=${this.#record}
              .lastUpdate=${progress.update}
              .droppedRows=${progress.metrics["update.droppedRows"] ?? 0}
            ></fulgurite-rollouts>`
          : nothing
      }
      <fulgurite-run-files
        .trainer=${this.trainer}
        .record=${this.#record}
        @fulgurite-loaded-run=${({ runId }: LoadedRunEvent) => (this.runId = runId)}
      ></fulgurite-run-files>
    `;
  }

  #kind(): RunKind {
    return runKindOf(this.#record ?? null);
  }

  #shownMetric(kind: RunKind): string {
    const known = metricViews[kind].some(({ name }) => name === this.metric) || isRewardPart(this.metric);
    return known ? this.metric : evaluatedMetric(kind);
  }

  #controls(status: Run["status"]): TemplateResult {
    const press = (action: Command) => (): void => void this.#command(action);
    switch (status) {
      case "queued":
      case "running":
        return html`
          <button class="primary" @click=${press("pause")}>${icon("pause")}Pause</button>
          <button disabled title="Pause first, then go on update by update">${icon("step")}Step</button>
          <button @click=${press("stop")}>${icon("stop")}Stop</button>
        `;
      case "paused":
        return html`
          <button class="primary" @click=${press("resume")}>${icon("run")}Resume</button>
          <button title="One update, then paused again" @click=${press("step")}>${icon("step")}Step</button>
          <button @click=${press("stop")}>${icon("stop")}Stop</button>
        `;
      case "failed": {
        const update = this.#model?.progress?.update ?? 0;
        // A run that never began has nothing to go back to.
        const begun = update > 0;
        return html`${
            begun
              ? html`<button
                  class="primary"
                  title="As it was before, paused: to be watched, saved and resumed"
                  @click=${press("goBack")}
                >
                  Back to update ${formatCount(update)}
                </button>`
              : nothing
          }
          <button class=${begun ? "" : "primary"} @click=${this.#runAgain}>${icon("run")}Run again</button>`;
      }
      case "succeeded":
      case "cancelled":
        return html`<button class=${this.stale ? "primary" : ""} @click=${this.#runAgain}>
          ${icon("run")}Run again
        </button>`;
    }
  }

  #words(): TemplateResult {
    const progress = this.#model!.progress!;
    const { update, updates, step, steps, stepsPerSecond, timeLeft, engine, adapter, reason, memoryBytes } =
      progress;
    const unit = stepUnit(this.#kind());
    const where = [
      ...(engine === null ? [] : [engineWord(engine), adapter ?? ""]),
      ...(memoryBytes === undefined
        ? []
        : [`${formatBytes(memoryBytes)} ${engine === "cpu" ? "of memory" : "on the GPU"}`]),
    ];
    const ended = progress.status !== "running" && progress.status !== "queued";
    const activeTime = this.#model?.result?.activeTime ?? this.#record?.activeTime ?? 0;
    const rate =
      stepsPerSecond === null || ended ? null : html` · ${formatCompact(stepsPerSecond)} ${unit}/s`;
    const left = timeLeft === null || ended ? null : html` · ${formatDuration(timeLeft)} left`;
    const took = ended && progress.status !== "paused" && activeTime > 0;
    return html`<div class="words">
      <p role="status">
        <b>${runStateWord(progress.status, progress.phase)}</b>
        <span aria-hidden=${ended ? "false" : "true"}>
          · update ${formatCount(update)} of ${formatCount(updates)} · ${formatCount(step)} of
          ${formatCount(steps)} ${unit}${rate}${left}${took ? ` · took ${formatDuration(activeTime)}` : ""}
        </span>
        ${reason !== null && !this.#model?.error ? html`<br />${reason}` : nothing}
      </p>
      <p>${where.join(" · ")}</p>
    </div>`;
  }

  /** Filtered cloning beside what reinforcement came to: without it a result says little. */
  #baselineWords(metrics: Readonly<Record<string, number>>): TemplateResult | typeof nothing {
    if (!wantsBaseline(this.#record?.job as Job | undefined)) return nothing;
    const recorded = recordedBaselines(this.#likeness, this.recorded);
    return baselineWords(shownBaselines(this.#baselines, recorded), baselineOf(metrics), true);
  }

  #playback(): Playback | null {
    const episode = this.#model?.episode;
    if (!episode) return null;
    if (this.#lastPlayback?.states !== episode.states) {
      this.#lastPlayback = {
        environment: episode.environment,
        states: episode.states,
        caption: `Policy after ${formatCount(episode.step)} steps: return ${formatFigure(episode.environmentReturn)}`,
      };
    }
    return this.#lastPlayback;
  }
  #lastPlayback: Playback | null = null;

  #lines(): CurveLine[] {
    const curve = this.#model?.curve;
    if (!curve) return [];
    const shown = this.#others.filter((run) => this.#otherModels.get(run.id)?.curve);
    const all = this.#record ? newestFirst([this.#record, ...this.#others]) : this.#others;
    const names = runLabels(all);
    const label = (run: Run | null): RunLabel =>
      (run && names[all.indexOf(run)]) ?? { short: "this run", full: "this run" };
    return [
      {
        label: shown.length > 0 ? label(this.#record) : { short: "training", full: "training" },
        curve,
        current: true,
      },
      ...shown.map((run) => ({
        label: label(run),
        curve: this.#otherModels.get(run.id)!.curve!,
        current: false,
      })),
    ];
  }

  #environmentName(): string | null {
    const job = this.#record?.job as Job | undefined;
    return this.#model?.episode?.environment ?? (job?.kind === "simulated" ? job.environment : null);
  }

  #threshold(): number | null {
    const name = this.#environmentName();
    if (name === null) return null;
    try {
      const { rewardThreshold } = environmentByName(name);
      return Number.isNaN(rewardThreshold) ? null : rewardThreshold;
    } catch {
      return null;
    }
  }
}

customElements.define("fulgurite-run", FulguriteRun);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-run": FulguriteRun;
  }
}
