import type { FulguriteError } from "../gpu/error.ts";
import { cellOfError, describeCellError, strayWords } from "./cell-error.ts";
import { createCellFetch } from "./cell-fetch.ts";
import { serveEnvironments, type EnvironmentPort } from "./environment-port.ts";
import { runCell } from "./cell-run.ts";
import { ancestorsOf, buildGraph, changedNames, descendantsOf, type CellGraph } from "./graph.ts";
import {
  abandon,
  ancestorProblem,
  emptyCell,
  finished,
  hasValues,
  heldUpBy,
  isLazy,
  readSource,
  settle,
  showDefinitions,
  summaryOf,
  type CellRun,
  type KernelCell,
} from "./kernel-cell.ts";
import { KernelRequests } from "./kernel-requests.ts";
import { hasLiveValues, LiveValues } from "./live-values.ts";
import { ModuleLoader, moduleText, type ModuleSources } from "./modules.ts";
import { OutputBuffer } from "./output-buffer.ts";
import { changedSinceTraining } from "./changed-since.ts";
import { keptInputs, sameInputs } from "./input-spec.ts";
import type { HeldUp, HostMessage, KernelCellSource, KernelCellState, KernelMessage } from "./protocol.ts";

/** What a cell whose text was edited is stale because of. */
export const CODE_CHANGED = "code";

/** Cells are started for this long before messages get their turn, a "cancel" among them. */
const SLICE_MS = 30;

/**
 * The reactive kernel: runs cells in the order of their dependencies. Free of DOM; the same in the sandbox's
 * worker, in Node and in tests.
 *
 * - A cell is eager, and runs by itself once all it needs is done, or lazy: by its flag or because it trains.
 * - An edit makes a cell and all that depends on it stale. Eager ones run again; lazy ones say why they are stale.
 * - A forced cell has its ancestors run first where they are not done.
 * - A lazy run in flight keeps the code it started with; an eager one is aborted and started again.
 * - A cell that is deleted or fails takes its names with it.
 * - What an async generator yields are the successive values of its name; the cell runs until it has ended.
 */
export class Kernel {
  readonly #post: (message: KernelMessage) => void;
  #cells = new Map<string, KernelCell>();
  #graph: CellGraph = buildGraph([]);
  /** Whether cells that never ran may run by themselves: only once the host said so. */
  #auto = false;
  readonly #requests: KernelRequests;
  readonly #modules: ModuleLoader;
  #sliceStart = 0;
  #pumpTimer: ReturnType<typeof setTimeout> | null = null;

  /** `fetch` for the realm in which cells run: every request goes to the host's gate. */
  readonly fetch: typeof fetch;

  /** `importPackage`: where this realm can import shipped packages itself, without the host. */
  constructor(post: (message: KernelMessage) => void, importPackage?: ModuleSources["importPackage"]) {
    this.#post = post;
    this.#requests = new KernelRequests(post);
    this.fetch = createCellFetch(this.#requests);
    this.#modules = new ModuleLoader({
      fetchModule: async (url) => moduleText(await this.fetch(url), url),
      loadPackage: (name) => this.#requests.ask({ kind: "package", name }),
      ...(importPackage ? { importPackage } : {}),
    });
  }

  /** Handles one message from the host, and the port that came with it. */
  receive(message: HostMessage, environments?: EnvironmentPort): void {
    this.#sliceStart = performance.now();
    switch (message.kind) {
      case "cells":
        this.#setCells(message.cells);
        break;
      case "restore":
        this.#restore(message);
        break;
      case "run":
        void this.#settledBy(message.command, this.#force(message.id));
        break;
      case "run-eager":
        void this.#settledBy(message.command, this.#runEager());
        break;
      case "cancel":
        this.#cancel(message.id);
        break;
      case "trained":
      case "completed":
      case "response":
      case "package":
      case "refused":
        this.#requests.receive(message);
        break;
      case "environments":
        if (environments) serveEnvironments(environments);
        break;
      case "ping":
        this.#post({ kind: "pong", sequence: message.sequence });
        break;
    }
  }

  /** Shows an error that nothing waits for below the cell that threw it; false where no cell is known to have. */
  stray(thrown: unknown): boolean {
    const id = cellOfError(thrown) ?? [...this.#cells.values()].find(({ run }) => run)?.id;
    const cell = id === undefined ? undefined : this.#cells.get(id);
    cell?.buffer?.push({ view: "text", stream: "error", text: strayWords(thrown, cell.id, cell.source) });
    return cell !== undefined;
  }

  /** Aborts what runs and starts nothing more. */
  dispose(): void {
    this.#auto = false;
    if (this.#pumpTimer !== null) clearTimeout(this.#pumpTimer);
    for (const cell of this.#cells.values()) {
      cell.queued = null;
      abandon(cell);
    }
    this.#cells.clear();
  }

  async #settledBy(command: number, work: Promise<unknown>): Promise<void> {
    await work;
    this.#post({ kind: "settled", command });
  }

  // Editing

  #setCells(sources: readonly KernelCellSource[]): void {
    const before = this.#graph;
    const changed = new Set<string>();
    const cells = new Map<string, KernelCell>();
    for (const { id, source, lazy, inputs = {} } of sources) {
      const old = this.#cells.get(id);
      const cell = old ?? emptyCell(id);
      if (old?.source !== source) {
        changed.add(id);
        readSource(cell, source);
      }
      if (!sameInputs(cell.inputs, inputs)) {
        cell.inputs = keptInputs(cell.inputs, inputs);
        changed.add(id);
      }
      cell.lazyFlag = lazy;
      cells.set(id, cell);
    }
    const removed = [...this.#cells.values()].filter(({ id }) => !cells.has(id));
    this.#cells = cells;
    for (const cell of removed) {
      abandon(cell);
      cell.queued = null;
      settle(cell);
    }
    this.#graph = buildGraph([...cells.values()].map(({ id, analysis }) => ({ id, ...analysis })));
    this.#post({ kind: "graph", cells: sources.map(({ id }) => summaryOf(cells.get(id)!, this.#graph)) });
    this.#markDirty(changed, before);
    for (const cell of cells.values()) {
      const problem = this.#problemOf(cell);
      if (problem && !(cell.run && isLazy(cell))) this.#fail(cell, problem);
    }
    this.#pump();
  }

  /** Marks edited cells and all that depends on them, or whose names now come from elsewhere. */
  #markDirty(changed: ReadonlySet<string>, before: CellGraph): void {
    const dirty = new Set<string>();
    for (const id of this.#graph.order) {
      const cell = this.#cells.get(id)!;
      const names = changedNames(id, before, this.#graph, dirty, changed.has(id));
      const because = new Set(changed.has(id) ? [CODE_CHANGED, ...names] : names);
      const isProblem = this.#graph.problems.has(id);
      if (because.size === 0 && isProblem === before.problems.has(id)) continue;
      dirty.add(id);
      this.#markStale(cell, because);
    }
    this.#queueEager(dirty);
  }

  #markStale(cell: KernelCell, because: Iterable<string>): void {
    if (!cell.ran) {
      if (!cell.queued && cell.state.kind !== "idle") this.#setState(cell, { kind: "idle" });
      return;
    }
    for (const name of because) cell.because.add(name);
    if (cell.run || cell.live) {
      if (isLazy(cell)) return;
      abandon(cell);
      cell.queued = "eager";
    }
    if (!cell.queued) this.#setState(cell, { kind: "stale", because: [...cell.because] });
  }

  #queueEager(ids: Iterable<string>): void {
    for (const id of ids) {
      const cell = this.#cells.get(id)!;
      if (cell.queued || cell.run || cell.live || isLazy(cell) || !(this.#auto || cell.ran)) continue;
      cell.queued = "eager";
    }
  }

  #restore({ ran, cancelled, trained, rerun }: Extract<HostMessage, { kind: "restore" }>): void {
    for (const id of ran) {
      const cell = this.#cells.get(id);
      if (!cell) continue;
      cell.ran = true;
      cell.trainedWith = trained?.[id] ?? null;
    }
    for (const id of cancelled) {
      const cell = this.#cells.get(id);
      if (cell && !this.#problemOf(cell)) this.#setState(cell, { kind: "cancelled" });
    }
    if (rerun !== true) return;
    const held = new Set(cancelled);
    this.#queueEager(ran.filter((id) => this.#cells.has(id) && !held.has(id)));
    this.#pump();
  }

  // Running

  async #runEager(): Promise<void> {
    this.#auto = true;
    const wanted: KernelCell[] = [];
    for (const cell of this.#cells.values()) {
      const { kind } = cell.state;
      if (isLazy(cell) || cell.run || (kind !== "idle" && kind !== "stale")) continue;
      cell.queued = "eager";
      wanted.push(cell);
    }
    this.#pump();
    await Promise.all(wanted.map((cell) => finished(cell)));
  }

  async #force(id: string): Promise<void> {
    const cell = this.#cells.get(id);
    if (!cell || this.#problemOf(cell)) return;
    if (!cell.run) {
      if (cell.live) abandon(cell);
      cell.queued = "forced";
      for (const from of ancestorsOf(this.#graph, id)) {
        const ancestor = this.#cells.get(from)!;
        if (!ancestor.run && !hasValues(ancestor) && ancestor.queued !== "forced") ancestor.queued = "needed";
      }
      this.#pump();
    }
    await finished(cell);
  }

  #cancel(id: string): void {
    const cell = this.#cells.get(id);
    if (!cell) return;
    if (cell.queued) {
      cell.queued = null;
      this.#setState(cell, { kind: "cancelled" });
      settle(cell);
      this.#pump();
    }
    cell.run?.controller.abort();
    if (cell.live) {
      // What it published last stays.
      cell.live.run.controller.abort();
      cell.live.values.stop();
    }
  }

  /**
   * Starts the queued ones of these cells whose dependencies are done, and drops those that cannot run. What a
   * cell may do depends on its direct dependencies only, so a change of one concerns its dependents.
   */
  #pump(ids: Iterable<string> = this.#graph.order): void {
    const work = [...ids];
    for (let i = 0; i < work.length; i++) {
      const cell = this.#cells.get(work[i]!);
      if (!cell?.queued) continue;
      if (this.#advance(cell)) work.push(...this.#graph.dependents.get(cell.id)!);
    }
  }

  /** Whether the cell left the queue. */
  #advance(cell: KernelCell): boolean {
    let waits = false;
    let missing: string | null = null;
    for (const from of this.#graph.dependencies.get(cell.id)!.values()) {
      const dependency = this.#cells.get(from)!;
      // A run in flight may take minutes; an eager cell does not queue behind it.
      const isOpen =
        dependency.queued ?? (dependency.run && (cell.queued !== "eager" || !isLazy(dependency)));
      if (isOpen) waits = true;
      else if (!hasValues(dependency)) missing ??= from;
    }
    const problem = this.#problemOf(cell);
    if (problem) this.#fail(cell, problem);
    else if (missing !== null && cell.queued !== "eager") this.#fail(cell, ancestorProblem(missing));
    else if (missing !== null) this.#drop(cell, this.#cells.get(missing)!);
    else if (waits || this.#isSliceOver()) this.#setState(cell, { kind: "queued" });
    else void this.#start(cell);
    return cell.queued === null;
  }

  /** Lets messages have their turn now and then while many cells run. */
  #isSliceOver(): boolean {
    if (this.#pumpTimer === null && performance.now() - this.#sliceStart <= SLICE_MS) return false;
    this.#pumpTimer ??= setTimeout(() => {
      this.#pumpTimer = null;
      this.#sliceStart = performance.now();
      this.#pump();
    });
    return true;
  }

  /** An eager cell that cannot run now: what it needs failed, or waits to be asked for. */
  #drop(cell: KernelCell, missing: KernelCell): void {
    cell.queued = null;
    this.#setState(cell, cell.ran ? { kind: "stale", because: [...cell.because] } : { kind: "idle" });
    this.#holdUp(cell, heldUpBy(missing));
    settle(cell);
  }

  #holdUp(cell: KernelCell, by: HeldUp): void {
    cell.heldUp = by;
    this.#post({ kind: "held-up", id: cell.id, by });
  }

  #fail(cell: KernelCell, problem: FulguriteError): void {
    cell.queued = null;
    abandon(cell);
    cell.values = null;
    this.#setState(cell, { kind: "error", ...describeCellError(problem, cell.id, cell.source) });
    settle(cell);
  }

  async #start(cell: KernelCell): Promise<void> {
    const { id, source, analysis } = cell;
    // What the last run's values hold is released before there are new ones.
    abandon(cell);
    const controller = new AbortController();
    const buffer = new OutputBuffer((outputs, replace) => {
      this.#post({ kind: "outputs", id, replace, outputs });
    });
    const run: CellRun = { controller, buffer, needed: cell.queued === "needed", trained: false };
    const invalidation = new Promise<void>((resolve) => {
      cell.invalidate = resolve;
    });
    cell.run = run;
    cell.buffer = buffer;
    cell.queued = null;
    cell.values = null;
    cell.ran = true;
    cell.because.clear();
    // Before the cell's own code: should that never return, the host knows which cell it was.
    this.#setState(cell, { kind: "running" });
    let values: ReadonlyMap<string, unknown> | null = null;
    let live: LiveValues | null = null;
    let failure: unknown;
    try {
      values = await runCell(cell, run, {
        graph: this.#graph,
        find: (other) => this.#cells.get(other),
        requests: this.#requests,
        modules: this.#modules,
        invalidation,
      });
      if (hasLiveValues(values)) {
        live = new LiveValues(values);
        values = await live.first(values);
      }
    } catch (error) {
      failure = error;
      values = null;
    }
    if (cell.run !== run) {
      live?.stop();
      return;
    }
    if (values) showDefinitions(analysis.defines, values, run);
    buffer.flush();
    cell.run = null;
    const first = cell.fresh;
    cell.fresh = false;
    const problem = this.#problemOf(cell);
    if (controller.signal.aborted) this.#setState(cell, { kind: "cancelled" });
    else if (problem) this.#fail(cell, problem);
    else if (!values) this.#setState(cell, { kind: "error", ...describeCellError(failure, id, source) });
    else {
      cell.values = values;
      if (live) cell.live = { values: live, run };
      else this.#finish(cell);
    }
    if (live && !cell.live) live.stop();
    this.#propagate(cell, first);
    settle(cell);
    this.#pump(this.#graph.dependents.get(id) ?? []);
    if (live && cell.live) void this.#follow(cell, live, run);
  }

  #finish(cell: KernelCell): void {
    const because = [...cell.because];
    this.#setState(cell, because.length > 0 ? { kind: "stale", because } : { kind: "done" });
  }

  /** Publishes what a cell's generators yield, each value once what depends on the last one is done. */
  async #follow(cell: KernelCell, live: LiveValues, run: CellRun): Promise<void> {
    const { id, source, analysis } = cell;
    const isCurrent = (): boolean => cell.live?.run === run;
    try {
      await live.follow(async (name, value) => {
        if (!isCurrent()) return;
        cell.values = new Map(cell.values).set(name, value);
        const buffer = new OutputBuffer((outputs) => {
          this.#post({ kind: "outputs", id, replace: true, outputs });
        });
        showDefinitions(analysis.defines, cell.values, { ...run, buffer });
        buffer.flush();
        this.#propagate(cell, false, name);
        this.#pump(this.#graph.dependents.get(id) ?? []);
        await this.#settled(id);
      });
      if (!isCurrent()) return;
      cell.live = null;
      this.#finish(cell);
    } catch (error) {
      if (!isCurrent()) return;
      abandon(cell);
      cell.values = null;
      this.#setState(cell, { kind: "error", ...describeCellError(error, id, source) });
      this.#propagate(cell, false);
    }
    this.#pump(this.#graph.dependents.get(id) ?? []);
  }

  /** Resolves once no eager cell that depends on this one waits or runs. */
  async #settled(id: string): Promise<void> {
    for (const dependent of descendantsOf(this.#graph, id)) {
      const cell = this.#cells.get(dependent);
      if (cell && !isLazy(cell)) await finished(cell);
    }
  }

  /**
   * A cell has run: what depends on it is stale and, where eager, runs. A first run in this kernel changes
   * nothing for cells that last ran in a kernel before: their text was the same. With `only`, that name changed.
   */
  #propagate(cell: KernelCell, first: boolean, only?: string): void {
    const dirty = new Set<string>();
    const held = new Set<string>();
    const next = [cell.id];
    for (let of = next.pop(); of !== undefined; of = next.pop()) {
      for (const id of this.#graph.dependents.get(of)!) {
        const dependent = this.#cells.get(id)!;
        const uses = this.#graph.dependencies.get(id)!;
        if (only !== undefined && of === cell.id && !uses.has(only)) continue;
        // A queued cell will do the same for its own dependents when it has run.
        if (!dirty.has(id) && !dependent.queued) next.push(id);
        dirty.add(id);
        if (first && dependent.fresh && !dependent.run) {
          // Stopped in the kernel before this one: it does not start again by itself.
          if (dependent.state.kind === "cancelled") held.add(id);
          this.#compareWithTraining(dependent);
          continue;
        }
        const names = [...uses].filter(
          ([name, from]) => from === of && (only === undefined || of !== cell.id || name === only),
        );
        this.#markStale(
          dependent,
          names.map(([name]) => name),
        );
      }
    }
    this.#queueEager([...dirty].filter((id) => !held.has(id)));
  }

  /** A training from before this kernel is stale where its reward or agent was another than they are now. */
  #compareWithTraining(cell: KernelCell): void {
    const changed = changedSinceTraining(cell, this.#graph, (id) => this.#cells.get(id)!);
    if (changed.length > 0) this.#markStale(cell, changed);
  }

  #problemOf(cell: KernelCell): FulguriteError | undefined {
    return cell.broken ?? this.#graph.problems.get(cell.id);
  }

  #setState(cell: KernelCell, state: KernelCellState): void {
    if (cell.state.kind === state.kind && state.kind !== "stale" && state.kind !== "error") return;
    const held = heldUpBy(cell);
    cell.state = state;
    cell.heldUp = null;
    this.#post({ kind: "state", id: cell.id, state });
    // It is to run again: those that it holds up no longer wait for something that has ended.
    if (held.by !== cell.id || held.because === "open" || heldUpBy(cell).because !== "open") return;
    for (const id of descendantsOf(this.#graph, cell.id)) {
      const other = this.#cells.get(id);
      if (other?.heldUp?.by === cell.id) this.#holdUp(other, heldUpBy(cell));
    }
  }
}
