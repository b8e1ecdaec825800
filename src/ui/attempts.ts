import { css, html, nothing, type TemplateResult } from "lit";
import { attemptsOf } from "../store/attempts.ts";
import type { AttemptStatus } from "../store/lightning-records.ts";
import type { Rollout } from "../store/records.ts";
import { formatCount, formatSpan } from "./format.ts";

export const attemptStyles = css`
  .attempts {
    border-collapse: collapse;
    font-variant-numeric: tabular-nums;
  }
  .attempts :is(th, td) {
    padding: 2px 24px 2px 0;
    text-align: start;
    font-weight: 400;
    overflow-wrap: anywhere;
  }
  .attempts thead th {
    color: var(--ink-quiet);
  }
`;

const words: Readonly<Record<AttemptStatus, string>> = {
  preparing: "being prepared",
  running: "running",
  succeeded: "done",
  failed: "failed",
  timeout: "timed out",
  unresponsive: "not heard of",
  cancelled: "stopped",
};

/** Every attempt at a rollout, where there was more than one or a worker made it. */
export function attemptTable(rollout: Rollout): TemplateResult | typeof nothing {
  const attempts = attemptsOf(rollout);
  const byWorkers = attempts.some(({ workerId }) => workerId !== null);
  if (attempts.length < 2 && !byWorkers) return nothing;
  const titles = ["Attempt", "State", "Took", ...(byWorkers ? ["Worker"] : [])];
  return html`<h3 id="attempts">Attempts</h3>
    <table class="attempts" aria-labelledby="attempts">
      <thead>
        <tr>
          ${titles.map((title) => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${attempts.map(
          ({ sequence, status, startTime, endTime, workerId }) =>
            html`<tr>
              <th scope="row">${formatCount(sequence)}</th>
              <td>${words[status]}</td>
              <td>${endTime === null ? "–" : formatSpan(endTime - startTime)}</td>
              ${byWorkers ? html`<td>${workerId ?? "–"}</td>` : nothing}
            </tr>`,
        )}
      </tbody>
    </table>`;
}
