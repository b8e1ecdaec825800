import { html, nothing, type TemplateResult } from "lit";
import type { Curve } from "../train/events.ts";
import type { Baseline } from "../train/baseline.ts";
import type { Job } from "../train/job.ts";
import { engineWord } from "./engine-word.ts";
import { counted, formatCount, formatFigure } from "./format.ts";
import type { RunKind } from "./metrics.ts";
import type { RecordedBaseline } from "./recorded.ts";
import { RunCellEvent } from "./run-cell-event.ts";

/** The one number of a run: how good the policy is. */
export function runFigure(
  kind: RunKind,
  curve: Curve | null,
  metrics: Readonly<Record<string, number>>,
  job: Job | null,
): TemplateResult {
  const figure = (value: string, words: string): TemplateResult =>
    html`<p class="figure"><b>${value}</b><span>${words}</span></p>`;
  if (kind === "agentic") {
    const { mean, low, high } = curve?.evaluations ?? {};
    const share = mean?.at(-1);
    if (share !== undefined) {
      const tasks = job?.kind === "agentic" ? heldOut(job.algorithm.evaluationTasks, job.tasks.heldOut) : "";
      const interval = `95 % interval ${percent(low?.at(-1))} to ${percent(high?.at(-1))}`;
      return figure(`${percent(share)}\u00a0%`, `of ${tasks}held-out tasks solved, ${interval}`);
    }
    const recent = metrics["update.successRate"];
    return recent === undefined
      ? html`<p class="figure"><span>Nothing has been measured yet.</span></p>`
      : figure(`${percent(recent)}\u00a0%`, "of the last update's rollouts succeeded");
  }
  if (kind === "supervised") {
    const { mean, low, high } = curve?.evaluations ?? {};
    const loss = mean?.at(-1);
    if (loss === undefined) {
      return html`<p class="figure"><span>Nothing has been measured yet.</span></p>`;
    }
    const unit = job?.kind === "supervised" && job.algorithm.kind === "dpo" ? "a pair" : "nats a token";
    const examples =
      job?.kind === "supervised" ? heldOut(job.algorithm.evaluationExamples, job.examples.heldOut) : "";
    const interval = `95 % interval ${formatFigure(low?.at(-1))} to ${formatFigure(high?.at(-1))}`;
    return figure(formatFigure(loss), `loss ${unit} on ${examples}held-out examples, ${interval}`);
  }
  const evaluated = metrics["evaluation.greedy.mean"];
  if (evaluated !== undefined) return figure(formatFigure(evaluated), "mean return, greedy evaluation");
  const recent = metrics["rollout.return.last100"];
  return recent === undefined
    ? html`<p class="figure"><span>No episode has ended yet.</span></p>`
    : figure(formatFigure(recent), "mean return, last 100 episodes");
}

/**
 * What filtered cloning came to, for a run that learned by reinforcement; without it a result says little. `known` is what
 * the run's own figures keep of it. Where cells may `run`, its button dispatches a `RunCellEvent`.
 */
export function baselineWords(
  baselines: readonly (Baseline | RecordedBaseline)[],
  known: Pick<Baseline, "mean" | "low" | "high"> | null,
  run: boolean,
): TemplateResult {
  const solved = ({ mean, low, high }: Pick<Baseline, "mean" | "low" | "high">): TemplateResult =>
    html`<b>${percent(mean)} %</b>, 95 % interval ${percent(low)} to ${percent(high)}`;
  if (baselines.length > 0)
    return html`<ul class="baselines" aria-label="Baselines on the same held-out tasks">
      ${baselines.map((baseline) => {
        const { sampledFrom, rollouts, seed } = baseline;
        const how = sampledFrom === "start" ? "once" : "repeated";
        return html`<li>
          <span
            >Filtered cloning, ${how}, on the same tasks: ${solved(baseline)} ·
            ${counted(rollouts, "rollout")}, seed ${seed}</span
          >
          ${"cell" in baseline ? recordedWords(baseline, run) : html`<span>trained here</span>`}
        </li>`;
      })}
    </ul>`;
  return html`<div class="words">
    <p>
      ${
        known
          ? html`Filtered cloning on the same tasks: ${solved(known)}.`
          : html`Not compared yet: train the same with <code>filteredCloning()</code>, and its result stands
              here.`
      }
    </p>
  </div>`;
}

const recordedWords = ({ cell, engine, adapter, commit }: RecordedBaseline, run: boolean): TemplateResult =>
  html`<span
    >recorded on ${engineWord(engine)}
    (${adapter}${commit === null ? "" : `, commit ${commit.slice(0, 7)}`})${
      run
        ? html`<button
            class="bare"
            title=${`Runs the cell "${cell}"`}
            @click=${(event: Event) => event.target?.dispatchEvent(new RunCellEvent(cell))}
          >
            Train it here
          </button>`
        : nothing
    }</span
  >`;

const heldOut = (most: number, tasks: readonly unknown[]): string =>
  `${formatCount(Math.min(most, tasks.length))} `;

/** A share in whole percent; one decimal where rounding would say all or nothing. */
function percent(share: number | undefined): string {
  if (share === undefined || !Number.isFinite(share)) return "–";
  const whole = Math.round(share * 100);
  const exact = whole === share * 100 || (whole > 0 && whole < 100);
  return exact ? String(whole) : (share * 100).toFixed(1);
}
