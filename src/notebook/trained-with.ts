import type { Job } from "../train/job.ts";

/** The code that a training ran with, as text that can be compared. */
export interface TrainedWith {
  readonly reward: string;
  /** "" where no agent was trained. */
  readonly agent: string;
}

/** What a stored or present job trains with. */
export const trainedWith = (job: Job): TrainedWith =>
  job.kind === "agentic"
    ? { reward: codeText(job.reward), agent: codeText(job.agent) }
    : job.kind === "supervised"
      ? { reward: "", agent: "" }
      : { reward: job.reward ? stepText(job.reward) : "", agent: "" };

/** A step reward as it is compared. */
export interface StepText {
  readonly source: string;
  readonly constants: Readonly<Record<string, number | readonly number[]>>;
}

export const stepText = ({ source, constants }: StepText): string => canonical([source, constants]);

export const codeText = ({ code, entry, values }: { code: string; entry: string; values: unknown }): string =>
  canonical([code, entry, values]);

/** JSON with the keys of plain objects in order: the store may give them back in another. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, entry: unknown) =>
    typeof entry === "object" && entry !== null && !Array.isArray(entry) && !ArrayBuffer.isView(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : typeof entry === "bigint"
        ? String(entry)
        : entry,
  );
