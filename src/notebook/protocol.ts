import type { ErrorData } from "../gpu/error.ts";
import { MAX_DIMENSIONS } from "../kernels/action-space.ts";
import type { Completion, CompletionRequest } from "../train/complete.ts";
import type { Job, TrainResult } from "../train/job.ts";
import { MAX_OUTPUT_CHARACTERS, MAX_OUTPUTS } from "./output-buffer.ts";
import { codeSource, completionRequest, job, policy, rewardSource } from "./protocol-job.ts";
import type { ImageContent, Output, ValueNode } from "./session-types.ts";
import type { TrainedWith } from "./trained-with.ts";
import { inputSpec, inputValue, type InputValue } from "./input-spec.ts";
import { plotCall } from "./plot-recorder.ts";
import { tableData } from "./table-data.ts";
import { MAX_SPANS, shownSpan } from "./trace-output.ts";
import * as read from "./validate.ts";

/** A cell as the kernel gets it; markdown cells stay with the host. */
export interface KernelCellSource {
  readonly id: string;
  readonly source: string;
  /** Has the `lazy` flag. */
  readonly lazy: boolean;
  /** What the person has set, by label; absent for nothing. */
  readonly inputs?: Readonly<Record<string, InputValue>>;
}

/** From the trusted host to the kernel. */
export type HostMessage =
  /** All code cells in the order of the document; replaces what was there. */
  | { readonly kind: "cells"; readonly cells: readonly KernelCellSource[] }
  /** After a restart: cells that ran before, and those that must not run again by themselves. */
  | {
      readonly kind: "restore";
      readonly ran: readonly string[];
      readonly cancelled: readonly string[];
      /** By cell that ran: the code it trained with, where that is known. */
      readonly trained?: Readonly<Record<string, TrainedWith>>;
      /** The kernel is a new one: eager cells that ran run again, for their values. */
      readonly rerun?: boolean;
    }
  /** Answered by "settled" with the same command number. */
  | { readonly kind: "run"; readonly command: number; readonly id: string }
  | { readonly kind: "run-eager"; readonly command: number }
  | { readonly kind: "cancel"; readonly id: string }
  | { readonly kind: "trained"; readonly request: number; readonly result: TrainResult }
  | { readonly kind: "completed"; readonly request: number; readonly completions: readonly Completion[] }
  /** Answers "train", "complete", "fetch" and "package". */
  | { readonly kind: "refused"; readonly request: number; readonly error: ErrorData }
  | {
      readonly kind: "response";
      readonly request: number;
      readonly status: number;
      readonly statusText: string;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: Uint8Array<ArrayBuffer>;
    }
  /** With a port, over which the kernel steps its host environments for one run. */
  | { readonly kind: "environments" }
  /** Text of the ES module that a package which ships with the page is bundled into. */
  | { readonly kind: "package"; readonly request: number; readonly source: string }
  | { readonly kind: "ping"; readonly sequence: number };

/** `CellState` without the host's clock. */
export type KernelCellState =
  | { readonly kind: "idle" }
  | { readonly kind: "queued" }
  | { readonly kind: "running" }
  | { readonly kind: "done" }
  | { readonly kind: "stale"; readonly because: readonly string[] }
  | { readonly kind: "error"; readonly error: ErrorData; readonly lineText: string | null }
  | { readonly kind: "cancelled" };

/**
 * Why an eager cell does not run: the cell whose values it would need, which failed, was stopped, or is still to run (a
 * lazy one, or one that was started again). That one is not held up itself.
 */
export interface HeldUp {
  readonly by: string;
  readonly because: "failed" | "stopped" | "open";
}

/** What the kernel found out about a cell without running it. */
export interface CellSummary {
  readonly id: string;
  readonly defines: readonly string[];
  /** Names that it takes from other cells. */
  readonly uses: readonly string[];
  /** By its flag, or because it calls `train`. */
  readonly lazy: boolean;
}

/** From the kernel, which runs a stranger's code, to the host. */
export type KernelMessage =
  | { readonly kind: "graph"; readonly cells: readonly CellSummary[] }
  /** Ends what "held-up" said of the cell before. */
  | { readonly kind: "state"; readonly id: string; readonly state: KernelCellState }
  | { readonly kind: "held-up"; readonly id: string; readonly by: HeldUp }
  | {
      readonly kind: "outputs";
      readonly id: string;
      /** Clears what the cell showed before. */
      readonly replace: boolean;
      readonly outputs: readonly Output[];
    }
  | {
      readonly kind: "train";
      readonly request: number;
      readonly id: string;
      readonly job: Job;
      /** Only for another cell that was asked for: an earlier run with an equal job will do. */
      readonly needed: boolean;
    }
  | { readonly kind: "complete"; readonly request: number; readonly asked: CompletionRequest }
  /** To the host's gate, which decides; the whole answer comes back at once. */
  | {
      readonly kind: "fetch";
      readonly request: number;
      readonly url: string;
      readonly method: string;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: string | Uint8Array<ArrayBuffer> | null;
    }
  | { readonly kind: "package"; readonly request: number; readonly name: string }
  /** What was asked for, a training or an answer, is no longer wanted. */
  | { readonly kind: "abort"; readonly request: number }
  | { readonly kind: "settled"; readonly command: number }
  /** The last message: its cells wanted to send more than a kernel may. */
  | { readonly kind: "flood" }
  | { readonly kind: "pong"; readonly sequence: number };

const MAX_CELLS = 10_000;
const MAX_NUMBER = 2 ** 53 - 1;

const id = read.text(64);
const name = read.text(200);
const counter = read.whole(MAX_NUMBER);
/** An error as it crosses a port. */
export const errorData: read.Reader<ErrorData> = read.object<ErrorData>({
  code: read.text(100),
  message: read.text(10_000),
  fix: read.text(10_000),
  line: read.nullable(read.whole(1_000_000)),
  column: read.nullable(read.whole(1_000_000)),
});

const state = read.union<"kind", KernelCellState>("kind", {
  idle: read.object({ kind: read.oneOf("idle") }),
  queued: read.object({ kind: read.oneOf("queued") }),
  running: read.object({ kind: read.oneOf("running") }),
  done: read.object({ kind: read.oneOf("done") }),
  stale: read.object({ kind: read.oneOf("stale"), because: read.list(name, 100) }),
  error: read.object({
    kind: read.oneOf("error"),
    error: errorData,
    lineText: read.nullable(read.text(10_000)),
  }),
  cancelled: read.object({ kind: read.oneOf("cancelled") }),
});

const MAX_VALUE_DEPTH = 12;

const valueNode =
  (depth: number): read.Reader<ValueNode> =>
  (value) => {
    if (depth > MAX_VALUE_DEPTH) throw new read.Invalid("value depth");
    return read.union<"kind", ValueNode>("kind", {
      primitive: read.object({
        kind: read.oneOf("primitive"),
        type: read.text(100),
        text: read.text(30_000),
      }),
      object: read.object({
        kind: read.oneOf("object"),
        type: read.text(200),
        entries: read.list(entry(depth + 1), 1_000),
        more: counter,
      }),
    })(value);
  };

const entry =
  (depth: number): read.Reader<readonly [string, ValueNode]> =>
  (value) => {
    if (!Array.isArray(value) || value.length !== 2) throw new read.Invalid("entry");
    return [read.text(30_000)(value[0]), valueNode(depth)(value[1])];
  };

const MAX_IMAGE_BYTES = 64_000_000;
const imageBytes: read.Reader<Uint8Array> = (value) => {
  if (!(value instanceof Uint8Array) || value.length > MAX_IMAGE_BYTES) throw new read.Invalid("image");
  return value;
};
const pixels = read.object<Extract<ImageContent, { kind: "pixels" }>>({
  kind: read.oneOf("pixels"),
  width: read.whole(16_384),
  height: read.whole(16_384),
  bytes: imageBytes,
});
const image = read.union<"kind", ImageContent>("kind", {
  pixels: (value) => {
    const checked = pixels(value);
    if (checked.bytes.length !== checked.width * checked.height * 4) throw new read.Invalid("pixels");
    return checked;
  },
  file: read.object({ kind: read.oneOf("file"), bytes: imageBytes }),
});

const output = read.union<"view", Output>("view", {
  text: read.object({
    view: read.oneOf("text"),
    stream: read.oneOf("out", "warn", "error"),
    text: read.text(MAX_OUTPUT_CHARACTERS),
  }),
  value: read.object({ view: read.oneOf("value"), name: read.nullable(name), value: valueNode(0) }),
  // Only the host knows run ids; a cell cannot put another notebook's run on the page.
  run: () => {
    throw new read.Invalid("run");
  },
  environment: read.object({ view: read.oneOf("environment"), name: read.text(400_000) }),
  reward: read.object({
    view: read.oneOf("reward"),
    name: read.nullable(name),
    wgsl: read.text(200_000),
    checkedStates: counter,
    largestDifference: read.number,
    nonFinite: counter,
    undecided: counter,
    definition: read.object({
      kind: read.oneOf("reward"),
      source: rewardSource,
      stateFields: read.list(read.text(200), 2_000),
      actionCount: read.whole(1_000),
      actionSize: read.whole(MAX_DIMENSIONS),
    }),
  }),
  loss: read.object({
    view: read.oneOf("loss"),
    name: read.nullable(name),
    wgsl: read.text(200_000),
    checkedRows: counter,
    checkedDerivatives: counter,
    largestDifference: read.number,
    undecided: counter,
    definition: read.object({ kind: read.oneOf("loss"), source: rewardSource }),
  }),
  test: read.object({
    view: read.oneOf("test"),
    name: read.text(1_000),
    passed: read.boolean,
    message: read.nullable(read.text(10_000)),
  }),
  input: read.object({ view: read.oneOf("input"), label: name, input: inputSpec, value: inputValue }),
  table: read.object({ view: read.oneOf("table"), name: read.nullable(name), table: tableData }),
  plot: read.object({ view: read.oneOf("plot"), call: plotCall }),
  image: read.object({ view: read.oneOf("image"), alt: read.text(1_000), image }),
  progress: read.object({
    view: read.oneOf("progress"),
    label: name,
    share: read.finite,
    words: read.text(1_000),
  }),
  diff: read.object({
    view: read.oneOf("diff"),
    before: read.text(MAX_OUTPUT_CHARACTERS),
    after: read.text(MAX_OUTPUT_CHARACTERS),
  }),
  trace: read.object({ view: read.oneOf("trace"), spans: read.list(shownSpan, MAX_SPANS) }),
  agent: read.object({ view: read.oneOf("agent"), name, lines: counter }),
  "composite-reward": read.object({
    view: read.oneOf("composite-reward"),
    name: read.nullable(name),
    components: read.list(read.object({ name, weight: read.finite }), 100),
    rescore: read.nullable(read.object({ source: codeSource })),
  }),
  policy: read.object({
    view: read.oneOf("policy"),
    name: read.nullable(name),
    parameters: counter,
    learns: counter,
    shape: policy,
    warmStart: read.nullable(read.object({ demonstrations: counter, steps: counter })),
  }),
});

const summary = read.object<CellSummary>({
  id,
  defines: read.list(name, 1_000),
  uses: read.list(name, 1_000),
  lazy: read.boolean,
});

const MAX_BODY = 16 * 1024 * 1024;

const header: read.Reader<readonly [string, string]> = (value) => {
  if (!Array.isArray(value) || value.length !== 2) throw new read.Invalid("header");
  return [read.text(200)(value[0]), read.text(10_000)(value[1])];
};

const requestBody: read.Reader<string | Uint8Array<ArrayBuffer>> = (value) => {
  if (typeof value === "string") return read.text(MAX_BODY)(value);
  if (!(value instanceof Uint8Array) || value.length > MAX_BODY) throw new read.Invalid("body");
  return new Uint8Array(value);
};

const message = read.union<"kind", KernelMessage>("kind", {
  graph: read.object({ kind: read.oneOf("graph"), cells: read.list(summary, MAX_CELLS) }),
  state: read.object({ kind: read.oneOf("state"), id, state }),
  "held-up": read.object({
    kind: read.oneOf("held-up"),
    id,
    by: read.object({ by: id, because: read.oneOf("failed", "stopped", "open") }),
  }),
  outputs: read.object({
    kind: read.oneOf("outputs"),
    id,
    replace: read.boolean,
    outputs: read.list(output, MAX_OUTPUTS + 1),
  }),
  train: read.object({ kind: read.oneOf("train"), request: counter, id, job, needed: read.boolean }),
  complete: read.object({ kind: read.oneOf("complete"), request: counter, asked: completionRequest }),
  fetch: read.object({
    kind: read.oneOf("fetch"),
    request: counter,
    url: read.text(16_384),
    method: read.oneOf("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    headers: read.list(header, 100),
    body: read.nullable(requestBody),
  }),
  package: read.object({ kind: read.oneOf("package"), request: counter, name }),
  abort: read.object({ kind: read.oneOf("abort"), request: counter }),
  settled: read.object({ kind: read.oneOf("settled"), command: counter }),
  flood: read.object({ kind: read.oneOf("flood") }),
  pong: read.object({ kind: read.oneOf("pong"), sequence: counter }),
});

/** A checked copy of a message from the kernel, or null where it is not one. */
export function readKernelMessage(data: unknown): KernelMessage | null {
  try {
    return message(data);
  } catch {
    return null;
  }
}
