import type { ReactiveController, ReactiveControllerHost } from "lit";
import { FulguriteError, type ErrorData } from "../gpu/error.ts";
import type { Run } from "../store/records.ts";
import type { SimulatedJob } from "../train/job.ts";
import type { TrainerClient } from "./trainer-client.ts";

/** A cell that was not run, and why. */
export interface Refusal {
  readonly cell: string;
  readonly error: ErrorData;
}

/** The same one each time: cells without runs are not drawn again for it. */
const nothingStored: readonly Run[] = [];

/** What the store knows of a notebook's runs, by cell; the element that it belongs to is drawn again when it changes. */
export class NotebookRuns implements ReactiveController {
  /** By cell the newest stored run, or, oldest first, those of the newest sweep. */
  stored: ReadonlyMap<string, readonly Run[]> = new Map();
  /** By cell: its runs that train, or that were paused here. */
  live: ReadonlyMap<string, readonly Run[]> = new Map();
  refusal: Refusal | null = null;
  readonly #host: ReactiveControllerHost;
  /** Runs that were seen training: paused, they are still this page's. */
  readonly #trained = new Set<string>();
  #notebook: string | null = null;
  #trainer: TrainerClient | null = null;

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
    host.addController(this);
  }

  hostConnected(): void {
    this.#host.requestUpdate();
  }

  /** Belongs to another notebook from now on. */
  follow(notebook: string | null, trainer: TrainerClient | null): Promise<void> {
    if (notebook !== this.#notebook) {
      this.stored = new Map();
      this.live = new Map();
      this.refusal = null;
    }
    this.#notebook = notebook;
    this.#trainer = trainer;
    return this.load();
  }

  /** Reads the store; a run from before a reload is known before any cell has run. */
  async load(): Promise<void> {
    const notebook = this.#notebook;
    if (notebook === null || !this.#trainer) return;
    const byCell = new Map<string, Run[]>();
    const live = new Map<string, Run[]>();
    for (const run of await this.#trainer.runs({ notebook })) {
      if (run.cell === null) continue;
      byCell.set(run.cell, [...(byCell.get(run.cell) ?? []), run]);
      if (isTraining(run.status)) this.#trained.add(run.id);
      else if (run.status !== "paused" || !this.#trained.has(run.id)) continue;
      live.set(run.cell, [...(live.get(run.cell) ?? []), run]);
    }
    if (notebook !== this.#notebook) return;
    this.stored = new Map([...byCell].map(([cell, runs]) => [cell, newestOf(runs)]));
    this.live = live;
    if (this.refusal && !live.has(this.refusal.cell)) this.refusal = null;
    this.#host.requestUpdate();
  }

  /** What a run of the cell came to. */
  told(runId: string, status: Run["status"]): Promise<void> {
    if (isTraining(status)) this.#trained.add(runId);
    return this.load();
  }

  /** A run that goes on without its cell, from before a reload, is not to get a second one beside it. */
  async refuses(id: string): Promise<Refusal | null> {
    if (!this.live.has(id)) return null;
    await this.load();
    const [run] = this.live.get(id) ?? [];
    if (!run) return null;
    const doing = run.status === "paused" ? "paused" : "still training";
    const error = new FulguriteError(
      "page/still-training",
      `A run of ${id} is ${doing}; a second one beside it was not started.`,
      "Stop that run first, or let it end.",
    );
    this.refusal = { cell: id, error: error.toData() };
    this.#host.requestUpdate();
    return this.refusal;
  }

  async stop(id: string): Promise<void> {
    for (const run of this.live.get(id) ?? []) await this.#trainer?.stop(run.id);
  }

  /** All that a cell is told of its runs comes from these; others where it changes. */
  get known(): readonly unknown[] {
    return [this.stored, this.live, this.refusal];
  }

  /** Of a cell, what `stored` has of it. */
  storedOf(id: string): readonly Run[] {
    return this.stored.get(id) ?? nothingStored;
  }

  /** Why the cell was not run, where that is the newest refusal. */
  refusalOf(id: string): ErrorData | null {
    return this.refusal?.cell === id ? this.refusal.error : null;
  }

  /** Whether a run of the cell trains or waits, for the cell's margin. */
  word(id: string): "running" | "paused" | null {
    const runs = this.live.get(id);
    return !runs ? null : runs.some(({ status }) => isTraining(status)) ? "running" : "paused";
  }
}

/** Of a cell's runs, newest first, the newest one, or all of the sweep that it is part of, oldest first. */
export function newestOf(runs: readonly Run[]): readonly Run[] {
  const place = ({ job }: Run): number | null => (job as Partial<SimulatedJob>).sweepRun ?? null;
  const sweep = runs.slice(0, 1);
  while (place(sweep[0]!)) {
    const before = runs[sweep.length];
    if (!before || place(before) !== place(sweep[0]!)! - 1) break;
    sweep.unshift(before);
  }
  return sweep;
}

const isTraining = (status: Run["status"]): boolean => status === "queued" || status === "running";
