import type { Page } from "playwright-core";

/** One figure of a bench. `peerValue` is the peer's figure for the same work, taken in turn with ours. */
export interface Measurement {
  /** "time", "steps-per-second", "bytes", "dispatches", ... */
  readonly metric: string;
  /** "ms", "bytes" and "count" are better when smaller, what ends in "/s" when larger. */
  readonly unit: string;
  readonly value: number;
  readonly peer?: string;
  readonly peerValue?: number;
  /** Where it is not the engine of the whole report. */
  readonly engine?: string;
  /** What is not as the bench's name promises, for example a smaller batch. */
  readonly note?: string;
}

/** As printed: the ratio is above 1 where we are better. */
export interface Row extends Measurement {
  readonly bench: string;
  readonly ratio?: number;
}

/** What `npm run bench -- --json` prints. */
export interface Report {
  readonly adapter: string;
  readonly engine: string;
  readonly machine: string;
  readonly date: string;
  readonly rows: readonly Row[];
}

/** What a bench finds where it runs. */
export interface PageContext {
  /** On standard error; say what is being waited for. */
  progress(text: string): void;
  /** Whether SharedArrayBuffer is there: peers with threads need it. */
  readonly isolated: boolean;
  /** Whether the packages of bench/package.json may be imported. */
  readonly peers: boolean;
}

export interface NodeContext {
  progress(text: string): void;
  readonly peers: boolean;
  /** A page of Chromium with WebGPU; closed by the harness after the bench. */
  newPage(): Promise<Page>;
  /** Address of the built app (`npm run build`, in a folder of its own), made once for all benches. */
  appUrl(): Promise<string>;
}

/**
 * A bench, the default export of `bench/<name>.bench.ts`. What only one of the two worlds has (peers, Node's modules)
 * it imports inside `run`.
 */
export type Bench =
  | {
      /** In a page of Chromium, and in Node by `npm run bench:node`. */
      readonly where: "page";
      /** What is measured, with its shape, in a line. */
      readonly about: string;
      /** "both": once in a page with SharedArrayBuffer and once without; default "no". */
      readonly isolated?: "no" | "yes" | "both";
      run(context: PageContext): Promise<readonly Measurement[]>;
    }
  | {
      /** In Node, which may open pages. */
      readonly where: "node";
      readonly about: string;
      run(context: NodeContext): Promise<readonly Measurement[]>;
    };

const smallerIsBetter = (unit: string): boolean => !unit.endsWith("/s");

/** The measurement under its bench's name, with its ratio; figures to five digits. */
export function toRow(bench: string, measurement: Measurement): Row {
  const { value, peerValue, unit } = measurement;
  const round = (x: number): number => Number(x.toPrecision(5));
  if (peerValue === undefined) return { bench, ...measurement, value: round(value) };
  const ratio = smallerIsBetter(unit) ? peerValue / value : value / peerValue;
  return {
    bench,
    ...measurement,
    value: round(value),
    peerValue: round(peerValue),
    ratio: Number(ratio.toPrecision(3)),
  };
}
