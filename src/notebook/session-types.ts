import type { ErrorData } from "../gpu/error.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { LoadPackage } from "../runner/packages.ts";
import type { Completion, CompletionRequest } from "../train/complete.ts";
import type { Definition, GpuVerdict } from "../train/check-definition.ts";
import type { Job, PolicyConfig, TrainResult } from "../train/job.ts";
import type { NotebookPermissions } from "./consent.ts";
import type { NotebookRequests } from "./requests.ts";
import type { InputSpec, InputValue } from "./input-spec.ts";
import type { PlotCall } from "./plot-recorder.ts";
import type { HeldUp } from "./protocol.ts";
import type { TableData } from "./table-data.ts";
import type { ShownSpan } from "./trace-output.ts";
import type { StructureEdit } from "./structure.ts";

export type CellKind = "code" | "md" | "test";

export type CellState =
  | { readonly kind: "idle" }
  | { readonly kind: "queued" }
  | { readonly kind: "running"; readonly since: number }
  | { readonly kind: "done" }
  /** Names that changed since it last ran, for "stale: reward changed". */
  | { readonly kind: "stale"; readonly because: readonly string[] }
  | { readonly kind: "error"; readonly error: ErrorData; readonly lineText: string | null }
  | { readonly kind: "cancelled" };

/** Typed outputs: data, never DOM. A closed set; the page renders each. */
export type Output =
  | { readonly view: "text"; readonly stream: "out" | "warn" | "error"; readonly text: string }
  | { readonly view: "value"; readonly name: string | null; readonly value: ValueNode }
  /** A live training run, drawn by the page straight from the trainer. */
  | {
      readonly view: "run";
      readonly runId: string;
      /** Of a run in a sweep, its setting: the cell's are drawn together. */
      readonly setting?: string;
    }
  /** An environment, drawn acting at random until a policy exists. */
  | {
      readonly view: "environment";
      readonly name: string;
      /** What the GPU says of it, once it was asked. */
      readonly gpu?: GpuVerdict;
    }
  /** A compiled reward: what it became and how far CPU and reference differ on random states. */
  | {
      readonly view: "reward";
      readonly name: string | null;
      readonly wgsl: string;
      readonly checkedStates: number;
      readonly largestDifference: number;
      /** Further random states on which the reward is not a finite number. */
      readonly nonFinite: number;
      /** Further random states left out, because f32 cannot decide a comparison there. */
      readonly undecided: number;
      readonly definition: Extract<Definition, { kind: "reward" }>;
      readonly gpu?: GpuVerdict;
    }
  /** A compiled loss of a row with its derivatives, likewise. */
  | {
      readonly view: "loss";
      readonly name: string | null;
      readonly wgsl: string;
      readonly checkedRows: number;
      /** Derivatives compared with finite differences. */
      readonly checkedDerivatives: number;
      readonly largestDifference: number;
      readonly undecided: number;
      readonly definition: Extract<Definition, { kind: "loss" }>;
      readonly gpu?: GpuVerdict;
    }
  /** One test of a cell; the message says why it failed. */
  | {
      readonly view: "test";
      readonly name: string;
      readonly passed: boolean;
      readonly message: string | null;
    }
  /** Something that the person sets; `session.setInput` with the cell and the label. */
  | {
      readonly view: "input";
      readonly label: string;
      readonly input: InputSpec;
      readonly value: InputValue;
    }
  | { readonly view: "table"; readonly name: string | null; readonly table: TableData }
  /** A drawing of Observable Plot, as the calls that make it. */
  | { readonly view: "plot"; readonly call: PlotCall }
  | { readonly view: "image"; readonly alt: string; readonly image: ImageContent }
  /** A bar; a later one of the same label takes its place. `share` from 0 to 1. */
  | { readonly view: "progress"; readonly label: string; readonly share: number; readonly words: string }
  | { readonly view: "diff"; readonly before: string; readonly after: string }
  | { readonly view: "trace"; readonly spans: readonly ShownSpan[] }
  /** An agent, and the length of its own function. */
  | { readonly view: "agent"; readonly name: string; readonly lines: number }
  /** A reward over whole rollouts. */
  | {
      readonly view: "composite-reward";
      readonly name: string | null;
      /** In the order written; where the reward is a single function, one named "reward" of weight 1. */
      readonly components: readonly { readonly name: string; readonly weight: number }[];
      /** With this the trainer can score stored rollouts anew; null where the code cannot travel. */
      readonly rescore: { readonly source: CodeSource } | null;
    }
  /** A transformer that a run will train from scratch. */
  | {
      readonly view: "policy";
      readonly name: string | null;
      readonly parameters: number;
      /** How many of them learn. */
      readonly learns: number;
      readonly shape: PolicyConfig;
      /** Demonstrations of a supervised start, and its optimizer steps; null for none. */
      readonly warmStart: { readonly demonstrations: number; readonly steps: number } | null;
    };

/** Pixels with four bytes each, or the bytes of an image file. */
export type ImageContent =
  | { readonly kind: "pixels"; readonly width: number; readonly height: number; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly bytes: Uint8Array };

/** A value as a bounded, cloneable tree for the inspector. */
export type ValueNode =
  | { readonly kind: "primitive"; readonly type: string; readonly text: string }
  | {
      readonly kind: "object";
      readonly type: string;
      readonly entries: readonly (readonly [string, ValueNode])[];
      readonly more: number;
    };

/** One cell as the page sees it. */
export interface CellView {
  readonly id: string;
  readonly kind: CellKind;
  readonly lazy: boolean;
  readonly fold: boolean;
  /** Only its outputs are of interest. */
  readonly hidden: boolean;
  /** Not to be edited. */
  readonly readonly: boolean;
  readonly source: string;
  /** 1-based line of the file on which `source` begins. */
  readonly line: number;
  readonly state: CellState;
  /** Why a cell that runs by itself does not; null for all others. */
  readonly heldUp: HeldUp | null;
  readonly outputs: readonly Output[];
  readonly defines: readonly string[];
  readonly uses: readonly string[];
}

/** What the host of a notebook lends it. */
export interface NotebookServices {
  /**
   * Starts a run for a cell; `onStarted` gives its id as soon as it exists. Aborting the signal stops it. A job in a host
   * environment that lives in a sandbox comes with a port to it.
   */
  train(
    job: Job,
    cell: string,
    onStarted: (runId: string) => void,
    signal: AbortSignal,
    environments: MessagePort | null,
  ): Promise<TrainResult>;
  /**
   * What the cell's newest run came to that trained an equal job to its end; null for none. Asked for where a cell is
   * needed by one that the person runs; without it such a cell trains each time.
   */
  trained?(job: Job, cell: string): Promise<TrainResult | null>;
  /** Runs what a cell defined on the GPU and compares it with the CPU; without it nobody does. */
  check?(definition: Definition): Promise<GpuVerdict>;
  /** Answers of a language policy; without it cells cannot ask one. */
  complete?(request: CompletionRequest): Promise<readonly Completion[]>;
  /**
   * Reaches the network for cells, behind the session's gate: only hosts that the person granted arrive here.
   * Without it no cell reaches anything.
   */
  fetch?(url: string, init: RequestInit): Promise<Response>;
  /** Text of a package that ships; without it there is none. */
  readonly loadPackage?: LoadPackage;
}

/**
 * A notebook open in the page or in Node: owns the document, the sandboxed kernel and the cells' states.
 * Dispatches "change" (a plain Event) after any visible change, at most once per microtask.
 */
export interface NotebookSession extends EventTarget {
  /** Stable id of the notebook, from its file name. */
  readonly id: string;
  readonly title: string;
  readonly cells: readonly CellView[];
  /** The document as .nb.ts text. */
  readonly text: string;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** What the notebook may do. While it says "asking", nothing of it runs: `run` and `runEager` do nothing. */
  readonly permissions: NotebookPermissions;
  /** What the text as it now is says that it will reach for. */
  requests(): Promise<NotebookRequests>;
  /** Resolves once what was allowed before is known; until then a foreign notebook is "asking". */
  readonly ready: Promise<void>;
  /** The person lets the notebook run and its cells reach `hosts`; kept for this very text. */
  allow(hosts?: readonly string[]): Promise<void>;
  /** Lets cells reach one more host, or no longer. */
  grant(host: string): Promise<void>;
  revoke(host: string): Promise<void>;
  /** Takes everything back: a foreign notebook's kernel ends, whatever it runs, and it is "asking" again. */
  withdraw(): Promise<void>;
  /** Runs the cell, its stale ancestors first. Resolves when it is done, failed or cancelled. */
  run(cellId: string): Promise<void>;
  /** A port to the cells' host environments, for a run that is resumed; null where they are in this realm, or nowhere. */
  environments(): Promise<MessagePort | null>;
  /** Runs eager cells that are idle or stale (on opening one's own notebook). */
  runEager(): Promise<void>;
  /**
   * Aborts, then after 2 s terminates and restarts the kernel. The trainings that the cell waits for end with it, or
   * go on without it.
   */
  stop(cellId: string, trainings?: "end" | "go-on"): Promise<void>;
  edit(cellId: string, source: string): void;
  /** The person sets an input of a cell: the cell runs again, and what depends on it. */
  setInput(cellId: string, label: string, value: InputValue): void;
  /**
   * Changes what cells there are; one step of undo. Returns the cell that is now to be seen. Throws `FulguriteError`
   * (code "notebook/structure") where it cannot be done.
   */
  apply(edit: StructureEdit): string | null;
  /** Takes back the last step, of text or of structure; returns a cell that it changed. */
  undo(): string | null;
  redo(): string | null;
  dispose(): void;
}

/** A notebook as whoever opened it has it. */
export interface OpenNotebook extends NotebookSession {
  /** Resolves when what cells have defined so far was checked on the GPU, where there is one. */
  checked(): Promise<void>;
  /**
   * Resolves with the cells that still wait or run, generators that publish values among them: with none as soon as
   * all have ended, or with those there are after this many milliseconds.
   */
  settled(milliseconds: number): Promise<readonly string[]>;
  /**
   * Says that the cell ran before the notebook was opened, because the store has a run of it: a later edit
   * of what it needs makes it stale, as if it had run now, and so does a reward or an agent that is no longer
   * the one of `job`, its newest training. Only the first call for a cell counts.
   */
  markRan(cellId: string, job?: Job): void;
}
