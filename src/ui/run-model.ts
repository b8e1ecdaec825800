import type { ErrorData, FulguriteError } from "../gpu/error.ts";
import type { Curve, EpisodeReplay, RunEvent } from "../worker/api.ts";
import type { RunProgress, TrainResult } from "../train/job.ts";
import { append } from "./series.ts";
import type { TrainerClient } from "./trainer-client.ts";

/** All that the page knows of one run, folded from its events. Dispatches "change" after each. */
export class RunModel extends EventTarget {
  readonly runId: string;
  progress: RunProgress | null = null;
  curve: Curve | null = null;
  episode: EpisodeReplay | null = null;
  result: TrainResult | null = null;
  error: ErrorData | null = null;
  #watching: AbortController | null = null;

  constructor(runId: string) {
    super();
    this.runId = runId;
  }

  /** Follows the run until `unwatch`; what is stored arrives first. */
  watch(trainer: TrainerClient): void {
    this.#watching?.abort();
    this.#watching = new AbortController();
    trainer.watch(
      this.runId,
      this.#watching.signal,
      (event) => {
        this.take(event);
      },
      (error: FulguriteError) => {
        this.take({ kind: "failed", error: error.toData() });
      },
    );
  }

  unwatch(): void {
    this.#watching?.abort();
    this.#watching = null;
  }

  take(event: RunEvent): void {
    switch (event.kind) {
      case "progress":
        this.progress = event.progress;
        if (event.progress.status !== "failed") this.error = null;
        break;
      case "curve":
        this.curve = event.replace || !this.curve ? event.curve : grown(this.curve, event.curve);
        break;
      case "episode":
        this.episode = event.episode;
        break;
      case "finished":
        this.result = event.result;
        break;
      case "failed":
        this.error = event.error;
        break;
    }
    this.dispatchEvent(new Event("change"));
  }
}

function grown(curve: Curve, more: Curve): Curve {
  const none = new Float64Array();
  const columns = Object.fromEntries(
    Object.keys({ ...curve.columns, ...more.columns }).map((name) => [
      name,
      append(curve.columns[name] ?? none, more.columns[name] ?? none),
    ]),
  );
  return {
    runId: curve.runId,
    step: append(curve.step, more.step),
    columns,
    evaluations: {
      step: append(curve.evaluations.step, more.evaluations.step),
      mean: append(curve.evaluations.mean, more.evaluations.mean),
      low: append(curve.evaluations.low, more.evaluations.low),
      high: append(curve.evaluations.high, more.evaluations.high),
    },
  };
}
