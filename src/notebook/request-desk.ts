import { isHostReference } from "../env/host-environment.ts";
import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import { noPackage } from "../runner/packages.ts";
import { checkAgenticJob } from "../train/check-agentic-job.ts";
import { checkSupervisedJob } from "../train/check-supervised-job.ts";
import type { Job, TrainResult } from "../train/job.ts";
import { FetchGate } from "./fetch-gate.ts";
import type { HostMessage, KernelMessage } from "./protocol.ts";
import type { NotebookServices } from "./session-types.ts";

/** What a kernel may ask of its host. */
export type KernelRequest = Extract<
  KernelMessage,
  { kind: "train" | "complete" | "fetch" | "package" | "abort" }
>;

/** Trainings that one notebook may have in flight. */
const MAX_TRAININGS = 8;

export interface RequestDeskOptions {
  readonly services: NotebookServices;
  readonly send: (message: HostMessage) => void;
  /** A port to the kernel's host environments, where one is needed. */
  readonly environments: () => Promise<MessagePort | null>;
  readonly isGranted: (host: string) => boolean;
  readonly onRefused: (host: string) => void;
  /** Whether there is such a cell; told of each training that it starts. */
  readonly onTrain: (cell: string, job: Job) => boolean;
  readonly onRun: (cell: string, runId: string, job: Job) => void;
}

/** Answers what cells ask for: trainings, the network, packages. An answer to a kernel that is gone is dropped. */
export class RequestDesk {
  readonly #options: RequestDeskOptions;
  readonly #gate: FetchGate;
  readonly #trainings = new Map<number, { readonly cell: string; readonly controller: AbortController }>();
  #generation = 0;

  constructor(options: RequestDeskOptions) {
    this.#options = options;
    const { services, isGranted, onRefused } = options;
    this.#gate = new FetchGate({
      fetch: (url, init) =>
        services.fetch?.(url, init) ?? Promise.reject(new Error("there is no network for cells here")),
      isGranted,
      onRefused,
    });
  }

  receive(message: KernelRequest): void {
    switch (message.kind) {
      case "train":
        this.#train(message);
        break;
      case "complete":
        void this.#answer(message.request, () => this.#complete(message));
        break;
      case "fetch":
        void this.#answer(message.request, () => this.#gate.answer(message));
        break;
      case "package":
        void this.#answer(message.request, () => this.#package(message));
        break;
      case "abort":
        this.#trainings.get(message.request)?.controller.abort();
        this.#gate.abort(message.request);
        break;
    }
  }

  /** The cell's trainings go on, whatever becomes of the cell. */
  leave(cell: string): void {
    for (const [request, training] of this.#trainings)
      if (training.cell === cell) this.#trainings.delete(request);
  }

  /** The kernel is replaced: trainings of `stopped` cells end, others go on, though nobody waits for them any more. */
  forget(stopped: readonly string[]): void {
    this.#generation++;
    for (const { cell, controller } of this.#trainings.values())
      if (stopped.includes(cell)) controller.abort();
    this.#trainings.clear();
    this.#gate.close();
  }

  /** Ends requests to a host that is no longer granted. */
  revoke(host: string): void {
    this.#gate.close(host);
  }

  dispose(): void {
    for (const { controller } of this.#trainings.values()) controller.abort();
    this.#gate.close();
  }

  async #answer(request: number, work: () => Promise<HostMessage | null>): Promise<void> {
    const generation = this.#generation;
    let answer: HostMessage | null;
    try {
      answer = await work();
    } catch (error) {
      answer = { kind: "refused", request, error: asFulguriteError(error).toData() };
    }
    if (answer && generation === this.#generation) this.#options.send(answer);
  }

  async #package({ request, name }: Extract<KernelRequest, { kind: "package" }>): Promise<HostMessage> {
    const source = (await this.#options.services.loadPackage?.(name)) ?? null;
    if (source !== null) return { kind: "package", request, source };
    throw noPackage(name);
  }

  async #complete({ request, asked }: Extract<KernelRequest, { kind: "complete" }>): Promise<HostMessage> {
    const { complete } = this.#options.services;
    if (complete) return { kind: "completed", request, completions: await complete(asked) };
    throw new FulguriteError(
      "notebook/no-policies",
      "No language policy can be asked here.",
      "Open the notebook in the page, or run it with the command line.",
    );
  }

  #train({ request, id, job, needed }: Extract<KernelRequest, { kind: "train" }>): void {
    if (this.#trainings.has(request)) return;
    void this.#answer(request, async () => {
      if (this.#trainings.size >= MAX_TRAININGS) {
        throw new FulguriteError(
          "notebook/too-many-runs",
          `This notebook has ${MAX_TRAININGS} runs in flight.`,
          "Wait for one to end, or stop one.",
        );
      }
      if (!this.#options.onTrain(id, job)) return null;
      const controller = new AbortController();
      const training = { cell: id, controller };
      this.#trainings.set(request, training);
      try {
        if (job.kind === "agentic") checkAgenticJob(job);
        if (job.kind === "supervised") checkSupervisedJob(job);
        const { services, onRun } = this.#options;
        const known = needed ? await services.trained?.(job, id) : null;
        if (known) {
          if (!controller.signal.aborted) onRun(id, known.runId, job);
          return { kind: "trained", request, result: known };
        }
        const started = (runId: string): void => {
          onRun(id, runId, job);
        };
        const hosted = job.kind === "simulated" && isHostReference(job.environment);
        const port = hosted ? await this.#options.environments() : null;
        const { signal } = controller;
        const result: TrainResult = await services.train(job, id, started, signal, port);
        return { kind: "trained", request, result };
      } finally {
        if (this.#trainings.get(request) === training) this.#trainings.delete(request);
      }
    });
  }
}
