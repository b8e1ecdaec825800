import type { ErrorData } from "../gpu/error.ts";
import type { Job } from "../train/job.ts";
import type { ConsentStore, NotebookPermissions } from "./consent.ts";
import { joinDocument, parseDocument, replaceSource, titleOf, type NotebookDocument } from "./document.ts";
import { DefinitionDesk } from "./definition-desk.ts";
import { isEditOfWhatRuns } from "./edited-run.ts";
import {
  addOutputs,
  addVerdict,
  emptyHostCell,
  isKnown,
  runOutput,
  viewOf,
  type HostCell,
} from "./host-cell.ts";
import { History } from "./history.ts";
import type { InputValue } from "./input-spec.ts";
import { KernelHost } from "./kernel-host.ts";
import type { KernelFactory } from "./kernel-link.ts";
import { Permissions, type ForeignNotebook } from "./permissions.ts";
import type { HostMessage, KernelCellSource, KernelMessage } from "./protocol.ts";
import { RequestDesk } from "./request-desk.ts";
import type { NotebookRequests } from "./requests.ts";
import type { CellState, CellView, NotebookServices, OpenNotebook, Output } from "./session-types.ts";
import { applyStructure, firstDifference, type StructureEdit } from "./structure.ts";
import { trainedWith, type TrainedWith } from "./trained-with.ts";
import { until } from "./until.ts";

export interface SessionOptions {
  /** Stable id of the notebook, from its file name. */
  readonly id: string;
  /** What it is called where it has no heading; default its id. */
  readonly untitled?: string;
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
  /** Set for a notebook that is neither the person's own nor shipped: nothing of it runs before `allow`. */
  readonly foreign?: ForeignNotebook;
  /** Where consents are kept; default until the page is left. */
  readonly consents?: ConsentStore;
}

/** A kernel that does not take an edit for this long is busy with the very cell that was edited. */
const SUPERSEDE_MS = 1_000;

/** A dragged input is told to the kernel this often. */
const INPUT_DELAY_MS = 40;

/**
 * Opens a notebook: parses it and, where it may run, starts its kernel; no cell runs before `run` or `runEager`.
 * Throws `FulguriteError` (code "notebook/...", with the file's line) where the text is not a notebook.
 */
export function createNotebookSession(options: SessionOptions): OpenNotebook {
  return new Session(options);
}

class Session extends EventTarget implements OpenNotebook {
  readonly id: string;
  readonly #untitled: string;
  readonly #editDelay: number;
  readonly #stopGrace: number;
  readonly #history: History<NotebookDocument>;
  readonly #cells = new Map<string, HostCell>();
  readonly #kernel: KernelHost;
  readonly #desk: RequestDesk;
  readonly #definitions: DefinitionDesk;
  readonly #permissions: Permissions;
  /** Errors that outlive a restart: the fresh kernel knows these cells as cancelled. */
  readonly #keptErrors = new Map<string, CellState>();
  #views: readonly CellView[] | null = null;
  #auto = false;
  #restarting: Promise<void> | null = null;
  #editTimer: ReturnType<typeof setTimeout> | null = null;
  #supersedeTimer: ReturnType<typeof setTimeout> | null = null;
  /** What the kernel was last told of each cell. */
  #sent = new Map<string, string>();
  #inputTimer: ReturnType<typeof setTimeout> | null = null;
  #changePending = false;
  #disposed = false;

  constructor(options: SessionOptions) {
    super();
    this.id = options.id;
    this.#untitled = options.untitled ?? options.id;
    this.#editDelay = options.editDelay ?? 400;
    this.#stopGrace = options.stopGrace ?? 2_000;
    this.#history = new History(parseDocument(options.text));
    this.#permissions = new Permissions({
      id: options.id,
      text: options.text,
      title: () => this.title,
      foreign: options.foreign ?? null,
      consents: options.consents,
      onChange: () => {
        this.#changed();
      },
    });
    this.#desk = new RequestDesk({
      services: options.services,
      send: (message) => {
        if (!this.#disposed) this.#kernel.send(message);
      },
      environments: () => this.#kernel.environments(),
      isGranted: (host) => this.#permissions.isGranted(host),
      onRefused: (host) => {
        this.#permissions.refuse(host);
      },
      onTrain: (id, job) => {
        const cell = this.#cells.get(id);
        if (cell) cell.trainedWith = trainedWith(job);
        return cell !== undefined;
      },
      onRun: (id, runId, job) => {
        if (!this.#disposed) this.#addOutputs(id, [runOutput(runId, job)], false);
      },
    });
    const { check } = options.services;
    this.#definitions = new DefinitionDesk({
      check: check && ((definition) => check.call(options.services, definition)),
      isShown: (id, output) => this.#cells.get(id)?.outputs.includes(output) === true,
      onVerdict: (id, output, verdict) => {
        addVerdict(this.#cells.get(id)!, output, verdict);
        this.#changed();
      },
    });
    this.#kernel = new KernelHost({
      createKernel: options.createKernel,
      hangLimit: options.hangLimit ?? 30_000,
      greeting: () => this.#cellsMessage(),
      onMessage: (message) => {
        this.#receive(message);
      },
      onLost: (reason) => {
        if (!this.#restarting) void this.#restart([], reason);
      },
      isRunning: () => [...this.#cells.values()].some(({ state }) => state.kind === "running"),
    });
    this.#reconcile();
    if (this.#permissions.allowed) this.#kernel.start();
  }

  get permissions(): NotebookPermissions {
    return this.#permissions.view;
  }
  get ready(): Promise<void> {
    return this.#permissions.ready;
  }
  get title(): string {
    return titleOf(this.#document) ?? this.#untitled;
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
    this.#views ??= this.#document.cells.map((from) => viewOf(this.#cells.get(from.id)!, from));
    return this.#views;
  }

  async allow(hosts: readonly string[] = []): Promise<void> {
    await this.#permissions.allow(hosts);
  }

  async grant(host: string): Promise<void> {
    await this.#permissions.grant(host);
  }

  async revoke(host: string): Promise<void> {
    this.#desk.revoke(host.toLowerCase());
    await this.#permissions.revoke(host.toLowerCase());
  }

  async withdraw(): Promise<void> {
    const withdrawn = this.#permissions.withdraw();
    if (!this.#permissions.allowed) {
      this.#auto = false;
      this.#desk.forget(this.#codeCells().map(({ id }) => id));
      this.#kernel.end();
      for (const cell of this.#cells.values()) cell.ran = false;
      for (const { id } of this.#codeCells()) this.#setState(id, { kind: "idle" });
    }
    await withdrawn;
  }

  async run(cellId: string): Promise<void> {
    if (this.permissions.state === "asking") this.dispatchEvent(new Event("asking"));
    if (!this.#codeCells().some(({ id }) => id === cellId)) return;
    await this.#command((command) => ({ kind: "run", command, id: cellId }), cellId);
  }

  async runEager(): Promise<void> {
    await this.ready;
    if (!this.#permissions.allowed) return;
    this.#auto = true;
    await this.#command((command) => ({ kind: "run-eager", command }), null);
  }

  async stop(cellId: string, trainings: "end" | "go-on" = "end"): Promise<void> {
    const hasEnded = (): boolean => {
      const kind = this.#cells.get(cellId)?.state.kind;
      return kind !== "running" && kind !== "queued";
    };
    if (hasEnded()) return;
    if (trainings === "go-on") this.#desk.leave(cellId);
    this.#kernel.send({ kind: "cancel", id: cellId });
    this.#kernel.prepare();
    const ended = await until(this, hasEnded, this.#stopGrace);
    if (!ended && !this.#disposed) await this.#restart([cellId], null);
  }

  async settled(milliseconds: number): Promise<readonly string[]> {
    const open = (): string[] =>
      this.cells.filter(({ state: { kind } }) => kind === "running" || kind === "queued").map(({ id }) => id);
    await until(this, () => this.#disposed || open().length === 0, milliseconds);
    return open();
  }

  edit(cellId: string, source: string): void {
    const old = this.#document.cells.find(({ id }) => id === cellId);
    if (old?.source.replaceAll("\r\n", "\n") === source) return;
    this.#history.push(replaceSource(this.#document, cellId, source), cellId, Date.now());
    this.#edited();
  }

  setInput(cellId: string, label: string, value: InputValue): void {
    const cell = this.#cells.get(cellId);
    if (!cell) return;
    cell.inputs = { ...cell.inputs, [label]: value };
    // What is seen follows at once; the kernel hears of a dragged slider at most so often.
    this.#inputTimer ??= setTimeout(() => {
      this.#inputTimer = null;
      if (!this.#disposed && this.#permissions.allowed) this.#kernel.send(this.#cellsMessage());
    }, INPUT_DELAY_MS);
  }

  checked(): Promise<void> {
    return this.#definitions.settled();
  }

  environments(): Promise<MessagePort | null> {
    return this.#kernel.environments();
  }

  async requests(): Promise<NotebookRequests> {
    // Reading code takes two parsers, and a page that shows one's own notebook does without them.
    const { notebookRequests } = await import("./requests.ts");
    return notebookRequests(this.#document);
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
    this.#kernel.send({ kind: "restore", ran: [cellId], cancelled: [], trained });
  }

  dispose(): void {
    this.#disposed = true;
    if (this.#editTimer !== null) clearTimeout(this.#editTimer);
    if (this.#supersedeTimer !== null) clearTimeout(this.#supersedeTimer);
    this.#desk.dispose();
    this.#definitions.dispose();
    this.#kernel.dispose();
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
        inputs: this.#cells.get(id)?.inputs ?? {},
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
    const blocked = isEditOfWhatRuns(this.#cells, this.#sent, this.#codeCells());
    this.#kernel.send(this.#cellsMessage());
    if (!blocked) return;
    // The kernel answers with its graph at once, unless the very cell that was edited does not give control back.
    this.#supersedeTimer ??= setTimeout(() => {
      this.#supersedeTimer = null;
      if (!this.#restarting) void this.#restart([], null);
    }, SUPERSEDE_MS);
  }

  #cellsMessage(): HostMessage {
    const cells = this.#codeCells();
    this.#sent = new Map(cells.map(({ id, source }) => [id, source]));
    return { kind: "cells", cells };
  }

  #reconcile(): void {
    const ids = new Set(this.#document.cells.map(({ id }) => id));
    for (const id of this.#cells.keys()) if (!ids.has(id)) this.#cells.delete(id);
    for (const id of ids) if (!this.#cells.has(id)) this.#cells.set(id, emptyHostCell());
    this.#changed();
  }

  // The kernel

  async #command(make: Parameters<KernelHost["command"]>[0], cellId: string | null): Promise<void> {
    await this.ready;
    if (!this.#permissions.allowed) return;
    if (this.#restarting) await this.#restarting;
    this.#flushEdit();
    const error = await this.#kernel.command(make);
    if (!error || this.#disposed) return;
    for (const { id } of this.#codeCells()) {
      if (cellId === null || id === cellId) this.#setState(id, { kind: "error", error, lineText: null });
    }
  }

  #receive(message: KernelMessage): void {
    switch (message.kind) {
      case "graph":
        if (this.#supersedeTimer !== null) clearTimeout(this.#supersedeTimer);
        this.#supersedeTimer = null;
        for (const summary of message.cells) {
          const cell = this.#cells.get(summary.id);
          if (!cell || isKnown(cell, summary)) continue;
          const { defines, uses, lazy } = summary;
          this.#update(cell, { defines, uses, lazy });
        }
        break;
      case "state": {
        const { id, state } = message;
        const cell = this.#cells.get(id);
        if (!cell) break;
        if (state.kind === "running") cell.ran = true;
        this.#setState(id, state.kind === "running" ? { kind: "running", since: Date.now() } : state);
        if (state.kind === "running") this.#kernel.watch();
        break;
      }
      case "held-up": {
        const cell = this.#cells.get(message.id);
        if (cell) this.#update(cell, { heldUp: message.by });
        break;
      }
      case "outputs":
        this.#addOutputs(message.id, message.outputs, message.replace);
        this.#definitions.take(message.id, message.outputs);
        break;
      case "settled":
        this.#kernel.settle(message.command);
        break;
      case "train":
      case "complete":
      case "fetch":
      case "package":
      case "abort":
        this.#desk.receive(message);
        break;
      case "flood":
      case "pong":
        break;
    }
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
    this.#desk.forget(stopped);
    try {
      await this.#kernel.restart();
      if (this.#disposed) return;
      for (const id of cancelled) {
        const state = this.#cells.get(id)?.state;
        if (state?.kind === "error") this.#keptErrors.set(id, state);
      }
      this.#kernel.send(this.#cellsMessage());
      const ran = [...this.#cells].filter(([, cell]) => cell.ran).map(([id]) => id);
      const trained: Record<string, TrainedWith> = {};
      for (const [id, cell] of this.#cells) if (cell.trainedWith) trained[id] = cell.trainedWith;
      this.#kernel.send({ kind: "restore", ran, cancelled: [...cancelled], trained, rerun: true });
      if (this.#auto) this.#kernel.send({ kind: "run-eager", command: this.#kernel.nextCommand() });
    } catch {
      // The next command says why there is no kernel.
    }
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
    this.#update(cell, { state: kept && state.kind === "cancelled" ? kept : state, heldUp: null });
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
