import { baselineOf, shareOf } from "../train/baseline.ts";
import type { Run } from "../store/records.ts";
import type { RunProgress, TrainResult } from "../train/job.ts";
import { stepUnit } from "../train/step-unit.ts";

/** Minutes and seconds, for people: "1:05". */
export function clock(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** What a run came to: what it counted, in which time, where, and how good the policy is, beside its baseline. */
export function endLines(
  { status, step, activeTime, engine, adapter, metrics }: TrainResult,
  kind: Run["kind"],
): string[] {
  const ended = `${status}: ${step} ${stepUnit(kind)} in ${(activeTime / 1000).toFixed(1)} s on ${engine} (${adapter})`;
  const greedy = shareOf(metrics, "evaluation.greedy");
  const loss = metrics["evaluation.heldOut.mean"];
  if (kind === "supervised")
    return loss === undefined ? [ended] : [`${ended}, held-out loss ${loss.toPrecision(4)}`];
  if (!greedy) return [ended];
  if (kind === "simulated") return [`${ended}, greedy return ${greedy.mean.toFixed(1)}`];
  const share = ({ mean, low, high }: typeof greedy): string =>
    `${(mean * 100).toFixed(1)} % (${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)})`;
  const baseline = baselineOf(metrics);
  const beside = baseline ? `, filtered cloning ${share(baseline)}` : "";
  return [ended, `solved ${share(greedy)} of the held-out tasks${beside}`];
}

/** One line about a run: a bar, what it counts, return or success, speed and time left. */
export function progressLine(progress: RunProgress, kind: Run["kind"]): string {
  const unit = stepUnit(kind);
  const width = 24;
  const share = progress.steps === 0 ? 0 : progress.step / progress.steps;
  const filled = Math.round(share * width);
  const parts = [
    `${"█".repeat(filled)}${"░".repeat(width - filled)} ${String(Math.floor(share * 100)).padStart(3)}%`,
    progress.phase,
    `${progress.step.toLocaleString("en")} of ${progress.steps.toLocaleString("en")} ${unit}`,
  ];
  const recent = progress.metrics["rollout.return.last100"];
  if (recent !== undefined) parts.push(`return ${recent.toFixed(1)}`);
  const solved = progress.metrics["evaluation.greedy.mean"];
  if (kind === "agentic" && solved !== undefined) parts.push(`${(solved * 100).toFixed(1)} % solved`);
  if (progress.stepsPerSecond !== null)
    parts.push(`${Math.round(progress.stepsPerSecond).toLocaleString("en")} ${unit}/s`);
  if (progress.timeLeft !== null && progress.phase !== "finished")
    parts.push(`${clock(progress.timeLeft)} left`);
  return parts.join(" · ");
}

/** Flat "a.b.c" names as nested objects. */
export function nested(flat: Readonly<Record<string, number>>): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(flat)) {
    const path = name.split(".");
    const last = path.pop()!;
    let node = tree;
    for (const key of path) node = (node[key] ??= {}) as Record<string, unknown>;
    node[last] = value;
  }
  return tree;
}

/** Progress on standard error: one line that rewrites itself in a terminal, a line every 5 s elsewhere. */
export function reporter(): { show(line: string): void; end(): void } {
  const { stderr } = process;
  let last = Number.NEGATIVE_INFINITY;
  return {
    show(line) {
      if (stderr.isTTY) stderr.write(`\r\x1b[2K${line.slice(0, (stderr.columns || 80) - 1)}`);
      else if (performance.now() - last > 5000) {
        last = performance.now();
        stderr.write(`${line}\n`);
      }
    },
    end() {
      if (stderr.isTTY) stderr.write("\n");
    },
  };
}
