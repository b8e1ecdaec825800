import type { Rollout } from "../../store/records.ts";
import type { RolloutSort } from "../../worker/rollout-index.ts";
import { formatCount, formatFigure, formatSigned, formatSpan } from "../format.ts";
import { outcome, valueText } from "../rollout-words.ts";

export interface RolloutColumn {
  readonly title: string;
  readonly sort: RolloutSort | null;
  readonly figure?: boolean;
  /** In pixels; what has none shares the rest. */
  readonly width?: number;
  readonly text: (rollout: Rollout) => string;
}

/** Columns of the table of rollouts. */
export const rolloutColumns: readonly RolloutColumn[] = [
  { title: "Number", width: 108, sort: "number", figure: true, text: ({ number }) => formatCount(number) },
  { title: "Task", sort: null, text: ({ task }) => valueText(task) },
  { title: "Answer", sort: null, text: ({ result }) => valueText(result) },
  { title: "State", width: 104, sort: null, text: outcome },
  {
    title: "Reward",
    width: 84,
    sort: "reward",
    figure: true,
    text: ({ reward }) => formatFigure(reward ?? Number.NaN),
  },
  {
    title: "Advantage",
    width: 108,
    sort: "advantage",
    figure: true,
    text: ({ advantage }) => formatSigned(advantage),
  },
  { title: "Update", width: 84, sort: "update", figure: true, text: ({ update }) => formatCount(update) },
  {
    title: "Attempts",
    width: 100,
    sort: "attempts",
    figure: true,
    text: ({ attempts }) => formatCount(attempts),
  },
  {
    title: "Tokens",
    width: 84,
    sort: "tokens",
    figure: true,
    text: ({ inputTokens, outputTokens }) => formatCount(inputTokens + outputTokens),
  },
  {
    title: "Time",
    width: 84,
    sort: "duration",
    figure: true,
    text: ({ startTime, endTime }) => (endTime === null ? "–" : formatSpan(endTime - startTime)),
  },
];

/** Choices of a state, with what a rollout then says. */
export const rolloutStates: Readonly<
  Record<string, readonly [title: string, statuses: readonly Rollout["status"][]]>
> = {
  waiting: ["Waiting", ["queuing", "requeuing"]],
  running: ["Running", ["preparing", "running"]],
  succeeded: ["Done", ["succeeded"]],
  failed: ["Failed", ["failed"]],
  timeout: ["Timed out", ["timeout"]],
  cancelled: ["Stopped", ["cancelled"]],
};
