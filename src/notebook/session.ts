import { asFulguriteError, FulguriteError, type ErrorData } from "../gpu/error.ts";
import { checkAgenticJob } from "../train/agentic-job.ts";
import type { Job, TrainResult } from "../train/job.ts";
import { joinDocument, parseDocument, replaceSource, titleOf, type NotebookDocument } from "./document.ts";
import { addOutputs, emptyHostCell, type HostCell } from "./host-cell.ts";
import { History } from "./history.ts";
import type { KernelFactory, KernelLink } from "./kernel-link.ts";
import type { HostMessage, KernelCellSource, KernelMessage } from "./protocol.ts";
import type { CellState, CellView, NotebookServices, NotebookSession, Output } from "./session-types.ts";
import { applyStructure, firstDifference, type StructureEdit } from "./structure.ts";
import { trainedWith, type TrainedWith } from "./trained-with.ts";

export interface SessionOptions {
  /** Stable id of the notebook, from its file name. */
  readonly id: string;
  /** The `.nb.ts` text. */
  readonly text: string;
  readonly services: NotebookServices;
  /** `createSandboxedKernel` in the page, `createInProcessKernel` in Node. */
  readonly createKernel: KernelFactory;
  /** Milliseconds without an edit after which cells run again; default 400. */
  readonly editDelay?: number;
  /** Milliseconds that a stopped cell has to end by itself; default 2000. */
  readonly stopGrace?: number;
  /** Milliseconds of a kernel's silence after which it counts as hung and is replaced; default 30,000. */
  readonly hangLimit?: number;
}

/** Trainings that one notebook may have in flight. */
const MAX_TRAININGS = 8;
const WATCH_INTERVAL_MS = 1_000;

interface Training {
  readonly cell: string;
  readonly controller: AbortController;
  readonly generation: number;
}

/**
 * Opens a notebook: parses it and starts its kernel; no cell runs before `run` or `runEager`. Throws
 * `FulguriteError` (code "notebook/...", with the file's line) where the text is not a notebook.
 */
export function createNotebookSession(options: SessionOptions): OpenNotebook {
  return new Session(options);
}

export interface OpenNotebook extends NotebookSession {
  /**
   * Says that the cell ran before the notebook was opened, because the store has a run of it: a later edit
   * of what it needs makes it stale, as if it had run now, and so does a reward or an agent that is no longer
   * the one of `job`, its newest training. Only the first call for a cell counts.
   */
  markRan(cellId: string, job?: Job): void;
}

class Session extends EventTarget implements OpenNotebook {
  readonly id: string;
  readonly #services: NotebookServices;
  readonly #createKernel: KernelFactory;
  readonly #editDelay: number;
  readonly #stopGrace: number;
  readonly #hangLimit: number;
  readonly #history: History<NotebookDocument>;
  readonly #cells = new Map<string, HostCell>();
  readonly #commands = new Map<number, () => void>();
  readonly #trainings = new Map<number, Training>();
  /** Errors that outlive a restart: the fresh kernel knows these cells as cancelled. */
  readonly #keptErrors = new Map<string, CellState>();
  #views: readonly CellView[] | null = null;
  #link: Promise<KernelLink>;
  #generation = 0;
  #nextCommand = 1;
  #auto = false;
  #restarting: Promise<void> | null = null;
  #editTimer: ReturnType<typeof setTimeout> | null = null;
  #watchTimer: ReturnType<typeof setInterval> | null = null;
  #changePending = false;
  #disposed = false;

  constructor(options: SessionOptions) {
    super();
    this.id = options.id;
    this.#services = options.services;
    this.#createKernel = options.createKernel;
    this.#editDelay = options.editDelay ?? 400;
    this.#stopGrace = options.stopGrace ?? 2_000;
    this.#hangLimit = options.hangLimit ?? 30_000;
    this.#history = new History(parseDocument(options.text));
    this.#reconcile();
    this.#link = this.#connect();
    this.#link.catch(() => undefined);
  }

  get title(): string {
    return titleOf(this.#document) ?? this.id;
  }
  get text(): string {
    return joinDocument(this.#document);
  }
  get canUndo(): boolean {
    return this.#history.canUndo;
  }
  get canRedo(): boolean {
    return this.#history.canRedo;
  }
  get cells(): readonly CellView[] {
    this.#views ??= this.#document.cells.map(({ id, kind, flags, source, line }) => {
      const cell = this.#cells.get(id)!;
      return (cell.view ??= {
        id,
        kind,
        lazy: cell.lazy || flags.includes("lazy"),
        fold: flags.includes("fold"),
        hidden: flags.includes("hidden"),
        readonly: flags.includes("readonly"),
        source: source.replaceAll("\r\n", "\n"),
        line,
        state: cell.state,
        outputs: [...cell.outputs],
        defines: cell.defines,
        uses: cell.uses,
      });
    });
    return this.#views;
  }

  async run(cellId: string): Promise<void> {
    if (!this.#codeCells().some(({ id }) => id === cellId)) return;
    await this.#command((command) => ({ kind: "run", command, id: cellId }), cellId);
  }

  async runEager(): Promise<void> {
    this.#auto = true;
    await this.#command((command) => ({ kind: "run-eager", command }), null);
  }

  async stop(cellId: string): Promise<void> {
    const isActive = (): boolean => {
      const kind = this.#cells.get(cellId)?.state.kind;
      return kind === "running" || kind === "queued";
    };
    if (!isActive()) return;
    this.#send({ kind: "cancel", id: cellId });
    this.#link.then(
      (link) => {
        link.prepare();
      },
      () => undefined,
    );
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.removeEventListener("change", check);
        resolve();
      };
      const check = (): void => {
        if (!isActive()) done();
      };
      const timer = setTimeout(done, this.#stopGrace);
      this.addEventListener("change", check);
    });
    if (isActive() && !this.#disposed) await this.#restart([cellId], null);
  }

  edit(cellId: string, source: string): void {
    const old = this.#document.cells.find(({ id }) => id === cellId);
    if (old?.source.replaceAll("\r\n", "\n") === source) return;
    this.#history.push(replaceSource(this.#document, cellId, source), cellId, Date.now());
    this.#edited();
  }

  apply(edit: StructureEdit): string | null {
    const { document, cell } = applyStructure(this.#document, edit);
    this.#history.push(document, null, Date.now());
    this.#edited();
    return cell;
  }

  undo(): string | null {
    return this.#travel(() => this.#history.undo());
  }

  redo(): string | null {
    return this.#travel(() => this.#history.redo());
  }

  #travel(move: () => NotebookDocument): string | null {
    const before = this.#document;
    const after = move();
    this.#edited();
    return firstDifference(before, after);
  }

  markRan(cellId: string, job?: Job): void {
    const cell = this.#cells.get(cellId);
    if (!cell || cell.ran) return;
    cell.ran = true;
    cell.trainedWith = job ? trainedWith(job) : null;
    const trained = cell.trainedWith ? { [cellId]: cell.trainedWith } : {};
    this.#send({ kind: "restore", ran: [cellId], cancelled: [], trained });
  }

  dispose(): void {
    this.#disposed = true;
    if (this.#editTimer !== null) clearTimeout(this.#editTimer);
    if (this.#watchTimer !== null) clearInterval(this.#watchTimer);
    for (const { controller } of this.#trainings.values()) controller.abort();
    this.#settleCommands();
    this.#link.then(
      (link) => {
        link.dispose();
      },
      () => undefined,
    );
  }

  // The document

  get #document(): NotebookDocument {
    return this.#history.present;
  }

  #codeCells(): KernelCellSource[] {
    return this.#document.cells
      .filter(({ kind }) => kind !== "md")
      .map(({ id, source, flags }) => ({
        id,
        source: source.replaceAll("\r\n", "\n"),
        lazy: flags.includes("lazy"),
      }));
  }

  #edited(): void {
    this.#reconcile();
    if (this.#editTimer !== null) clearTimeout(this.#editTimer);
    this.#editTimer = setTimeout(() => {
      this.#flushEdit();
    }, this.#editDelay);
  }

  #flushEdit(): void {
    if (this.#editTimer === null) return;
    clearTimeout(this.#editTimer);
    this.#editTimer = null;
    this.#send({ kind: "cells", cells: this.#codeCells() });
  }

  #reconcile(): void {
    const ids = new Set(this.#document.cells.map(({ id }) => id));
    for (const id of this.#cells.keys()) if (!ids.has(id)) this.#cells.delete(id);
    for (const id of ids) {
      const cell = this.#cells.get(id);
      if (cell) cell.view = null;
      else this.#cells.set(id, emptyHostCell());
    }
    this.#changed();
  }

  // The kernel

  async #connect(): Promise<KernelLink> {
    const link = await this.#createKernel();
    if (this.#disposed) link.dispose();
    link.onMessage = (message) => {
      this.#receive(message);
    };
    link.onLost = (reason) => {
      void this.#restart([], reason);
    };
    link.send({ kind: "cells", cells: this.#codeCells() });
    return link;
  }

  #send(message: HostMessage): void {
    this.#link.then(
      (link) => {
        if (!this.#disposed) link.send(message);
      },
      () => undefined,
    );
  }

  async #command(make: (command: number) => HostMessage, cellId: string | null): Promise<void> {
    if (this.#restarting) await this.#restarting;
    this.#flushEdit();
    try {
      await this.#link;
    } catch (error) {
      const data = asFulguriteError(error).toData();
      for (const { id } of this.#codeCells()) {
        if (cellId === null || id === cellId)
          this.#setState(id, { kind: "error", error: data, lineText: null });
      }
      // The next attempt may find what this one lacked.
      this.#link = this.#connect();
      this.#link.catch(() => undefined);
      return;
    }
    const command = this.#nextCommand++;
    const settled = new Promise<void>((resolve) => {
      this.#commands.set(command, resolve);
    });
    this.#watch();
    this.#send(make(command));
    await settled;
  }

  #receive(message: KernelMessage): void {
    switch (message.kind) {
      case "graph":
        for (const { id, defines, uses, lazy } of message.cells) {
          const cell = this.#cells.get(id);
          if (cell) this.#update(cell, { defines, uses, lazy });
        }
        break;
      case "state": {
        const { id, state } = message;
        const cell = this.#cells.get(id);
        if (!cell) break;
        if (state.kind === "running") cell.ran = true;
        this.#setState(id, state.kind === "running" ? { kind: "running", since: Date.now() } : state);
        if (state.kind === "running") this.#watch();
        break;
      }
      case "outputs":
        this.#addOutputs(message.id, message.outputs, message.replace);
        break;
      case "train":
        this.#train(message);
        break;
      case "abort":
        this.#trainings.get(message.request)?.controller.abort();
        break;
      case "settled":
        this.#commands.get(message.command)?.();
        this.#commands.delete(message.command);
        break;
      case "pong":
        break;
    }
  }

  /** While something runs: a kernel that has been silent for too long is replaced. */
  #watch(): void {
    this.#watchTimer ??= setInterval(() => {
      const active = [...this.#cells.values()].some(({ state }) => state.kind === "running");
      if (!active && this.#commands.size === 0) {
        if (this.#watchTimer !== null) clearInterval(this.#watchTimer);
        this.#watchTimer = null;
        return;
      }
      this.#link.then(
        (link) => {
          if (link.silence > this.#hangLimit && !this.#restarting) void this.#restart([], hung(link.silence));
        },
        () => undefined,
      );
    }, WATCH_INTERVAL_MS);
  }

  /**
   * Replaces the kernel. Cells in `stopped` are cancelled; with a reason, all that ran failed for it. Trainings
   * of other cells go on in the trainer, though nobody waits for their result any more.
   */
  #restart(stopped: readonly string[], reason: ErrorData | null): Promise<void> {
    this.#restarting ??= this.#replaceKernel(stopped, reason).finally(() => {
      this.#restarting = null;
    });
    return this.#restarting;
  }

  async #replaceKernel(stopped: readonly string[], reason: ErrorData | null): Promise<void> {
    this.#generation++;
    const cancelled = new Set(stopped);
    for (const { id } of this.#codeCells()) {
      const cell = this.#cells.get(id)!;
      const active = cell.state.kind === "running" || cell.state.kind === "queued";
      if (active && reason) {
        cancelled.add(id);
        this.#setState(id, { kind: "error", error: reason, lineText: null });
      } else if (cancelled.has(id)) {
        this.#setState(id, { kind: "cancelled" });
      } else if (cell.state.kind !== "error" && cell.state.kind !== "cancelled") {
        this.#setState(id, { kind: "idle" });
      } else {
        cancelled.add(id);
      }
    }
    for (const [request, training] of this.#trainings) {
      if (stopped.includes(training.cell)) training.controller.abort();
      this.#trainings.delete(request);
    }
    this.#settleCommands();
    try {
      const link = await this.#link;
      await link.restart();
      if (this.#disposed) return;
      for (const id of cancelled) {
        const state = this.#cells.get(id)?.state;
        if (state?.kind === "error") this.#keptErrors.set(id, state);
      }
      link.send({ kind: "cells", cells: this.#codeCells() });
      const ran = [...this.#cells].filter(([, cell]) => cell.ran).map(([id]) => id);
      const trained: Record<string, TrainedWith> = {};
      for (const [id, cell] of this.#cells) if (cell.trainedWith) trained[id] = cell.trainedWith;
      link.send({ kind: "restore", ran, cancelled: [...cancelled], trained });
      if (this.#auto) link.send({ kind: "run-eager", command: this.#nextCommand++ });
    } catch (error) {
      this.#link = Promise.reject(asFulguriteError(error));
      this.#link.catch(() => undefined);
    }
  }

  #settleCommands(): void {
    for (const resolve of this.#commands.values()) resolve();
    this.#commands.clear();
  }

  // Training

  #train({ request, id, job }: Extract<KernelMessage, { kind: "train" }>): void {
    const generation = this.#generation;
    const answer = (message: HostMessage): void => {
      this.#trainings.delete(request);
      if (generation === this.#generation) this.#send(message);
    };
    const refuse = (error: unknown): void => {
      answer({ kind: "refused", request, error: asFulguriteError(error).toData() });
    };
    const cell = this.#cells.get(id);
    if (!cell || this.#trainings.has(request)) return;
    if (this.#trainings.size >= MAX_TRAININGS) {
      const fix = "Wait for one to end, or stop one.";
      const error = new FulguriteError(
        "notebook/too-many-runs",
        `This notebook has ${MAX_TRAININGS} runs in flight.`,
        fix,
      );
      this.#send({ kind: "refused", request, error: error.toData() });
      return;
    }
    const controller = new AbortController();
    cell.trainedWith = trainedWith(job);
    this.#trainings.set(request, { cell: id, controller, generation });
    const started = (runId: string): void => {
      if (!this.#disposed) this.#addOutputs(id, [{ view: "run", runId }], false);
    };
    const work = new Promise<TrainResult>((resolve) => {
      if (job.kind === "agentic") checkAgenticJob(job);
      resolve(this.#services.train(job, id, started, controller.signal));
    });
    work.then((result) => {
      answer({ kind: "trained", request, result });
    }, refuse);
  }

  // What the page sees

  #addOutputs(id: string, outputs: readonly Output[], replace: boolean): void {
    const cell = this.#cells.get(id);
    if (!cell) return;
    addOutputs(cell, outputs, replace);
    cell.view = null;
    this.#changed();
  }

  #setState(id: string, state: CellState): void {
    const cell = this.#cells.get(id);
    if (!cell) return;
    const kept = this.#keptErrors.get(id);
    this.#keptErrors.delete(id);
    this.#update(cell, { state: kept && state.kind === "cancelled" ? kept : state });
  }

  #update(cell: HostCell, values: Partial<HostCell>): void {
    Object.assign(cell, values);
    cell.view = null;
    this.#changed();
  }

  #changed(): void {
    this.#views = null;
    if (this.#changePending) return;
    this.#changePending = true;
    queueMicrotask(() => {
      this.#changePending = false;
      if (!this.#disposed) this.dispatchEvent(new Event("change"));
    });
  }
}

function hung(silence: number): ErrorData {
  const seconds = Math.round(silence / 1_000);
  return new FulguriteError(
    "notebook/hung",
    `The notebook's cells did not answer for ${seconds} seconds and were stopped.`,
    "Look for a loop without an end, or `await` something in it now and then.",
  ).toData();
}
