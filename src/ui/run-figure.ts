import { html, type TemplateResult } from "lit";
import type { Curve } from "../train/events.ts";
import type { Baseline } from "../train/baseline.ts";
import type { Job } from "../train/job.ts";
import { formatCount, formatFigure } from "./format.ts";
import type { RunKind } from "./metrics.ts";

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

/** What filtered cloning came to, for a run that learned by reinforcement. */
export const baselineWords = (baseline: Omit<Baseline, "runId"> | null): TemplateResult =>
  baseline
    ? html`<div class="words">
        <p>
          Filtered cloning on the same tasks: <b>${percent(baseline.mean)} %</b>, 95 % interval
          ${percent(baseline.low)} to ${percent(baseline.high)}.
        </p>
      </div>`
    : html`<div class="words">
        <p>
          Not compared yet: train the same with <code>filteredCloning()</code>, and its result stands here.
        </p>
      </div>`;

const heldOut = (most: number, tasks: readonly unknown[]): string =>
  `${formatCount(Math.min(most, tasks.length))} `;

/** A share in whole percent; one decimal where rounding would say all or nothing. */
function percent(share: number | undefined): string {
  if (share === undefined || !Number.isFinite(share)) return "–";
  const whole = Math.round(share * 100);
  const exact = whole === share * 100 || (whole > 0 && whole < 100);
  return exact ? String(whole) : (share * 100).toFixed(1);
}
