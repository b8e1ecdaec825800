import type { Rollout } from "../store/records.ts";
import { counted, formatCount } from "./format.ts";
import { partsText } from "./message-text.ts";

/** Fields in which a task or a result usually keeps its text. */
const textFields = ["prompt", "input", "question", "text", "answer", "output", "content"];

/** What a conversation asks: its last message from the user, else its last one; null for any other value. */
function askedIn(value: unknown): string | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  const messages = value as readonly (Readonly<Record<string, unknown>> | null)[];
  if (!messages.every((message) => typeof message?.["role"] === "string")) return null;
  const said = messages.findLast((message) => message!["role"] === "user") ?? messages.at(-1)!;
  return partsText(said["content"] ?? said["parts"]);
}

/** A task, or what an agent returned, in one line. Of a conversation what its user last said. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value as number | boolean | bigint);
  const fields = value as Readonly<Record<string, unknown>>;
  const asked = askedIn(value) ?? askedIn(fields["messages"]);
  if (asked !== null) return asked;
  for (const name of textFields) {
    const text = fields[name];
    // An answer that was cut off says so as `Completion` does.
    if (typeof text === "string") return fields["finished"] === false ? `${text} …` : text;
  }
  const entries = Object.entries(fields);
  if (!Array.isArray(value) && entries.every(([, entry]) => typeof entry !== "object")) {
    return entries.map(([name, entry]) => `${name}: ${String(entry)}`).join(", ");
  }
  return JSON.stringify(value);
}

const outcomes: Readonly<Record<string, string>> = {
  threw: "threw",
  "model-error": "got no answer from the model",
  "timed-out": "timed out",
  flooded: "sent too much",
  "too-many-calls": "called the model too often",
  "invalid-result": "returned what cannot be sent",
  "load-failed": "did not load",
  "worker-lost": "lost its worker",
  "frame-lost": "lost its frame",
  cancelled: "was stopped",
};

/** Whether a rollout could not be trained on: it failed, or has no reward. */
export const leftOut = (rollout: Rollout): boolean =>
  rollout.status !== "succeeded" || rollout.reward === null;

/** What a rollout that is not finished is at. */
const under: Readonly<Partial<Record<Rollout["status"], string>>> = {
  queuing: "waiting",
  requeuing: "waiting",
  preparing: "running",
  running: "running",
};

/** True for one that waits or runs. */
export const isUnderWay = ({ status }: Rollout): boolean => under[status] !== undefined;

/** How a rollout ended, or what it is at. */
export function outcome(rollout: Rollout): string {
  const at = under[rollout.status];
  if (at !== undefined) return at;
  if (!leftOut(rollout)) return "done";
  if (rollout.reason !== null) return outcomes[rollout.reason] ?? rollout.reason.replaceAll("-", " ");
  if (rollout.status === "timeout") return "timed out";
  return rollout.status === "succeeded" ? "has no reward" : rollout.status;
}

/** "3 of 256 rollouts left out: 2 timed out, 1 threw." */
export function leftOutWords(rollouts: readonly Rollout[]): string {
  const counts = new Map<string, number>();
  for (const rollout of rollouts) {
    if (leftOut(rollout)) counts.set(outcome(rollout), (counts.get(outcome(rollout)) ?? 0) + 1);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const all = counted(rollouts.length, "rollout");
  if (total === 0) return `None of ${all} left out.`;
  const reasons = [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([what, count]) => `${formatCount(count)} ${what}`);
  return `${formatCount(total)} of ${all} left out: ${reasons.join(", ")}.`;
}

/** What a group of siblings teaches. */
export function groupWords(siblings: readonly Rollout[]): string {
  const rewards = siblings.flatMap(({ reward }) => (reward === null ? [] : [reward]));
  if (rewards.length === 0) return "No sibling has a reward.";
  const [low, high] = [Math.min(...rewards), Math.max(...rewards)];
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  if (siblings[0]?.mode === "evaluation") return "An evaluation: nothing is trained on it.";
  if (low === high) {
    return `All got ${round(low)}: a group without differences teaches nothing.`;
  }
  return `Rewards from ${round(low)} to ${round(high)}, mean ${round(mean)}. The advantage says how much better than its siblings an answer is.`;
}

const round = (value: number): string => String(Math.round(value * 1000) / 1000);
