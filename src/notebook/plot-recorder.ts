import { FulguriteError } from "../gpu/error.ts";
import * as read from "./validate.ts";

/** A call of Observable Plot as data: the page makes it, with its own Plot, from names that it knows. */
export interface PlotCall {
  readonly plot: string;
  readonly arguments: readonly PlotValue[];
}

export type PlotValue =
  | PlotCall
  | string
  | number
  | boolean
  | null
  | undefined
  | Date
  | ArrayBufferView
  | readonly PlotValue[]
  | { readonly [key: string]: PlotValue };

const calls = new WeakSet();

/** Whether the value is what a recorded `Plot.plot(...)` gave. */
export const isPlotCall = (value: unknown): value is PlotCall =>
  typeof value === "object" && value !== null && calls.has(value);

/** `Plot` as cells see it: whatever is called on it is recorded. */
export const plotRecorder: unknown = new Proxy(Object.freeze({}), {
  get: (_, property) =>
    typeof property !== "string" || property === "then"
      ? undefined
      : (...given: unknown[]) => record(property, given),
  has: (_, property) => typeof property === "string",
});

function record(plot: string, given: readonly unknown[]): PlotCall {
  const [data] = given;
  const list = isData(data) ? data : null;
  const call: PlotCall = { plot, arguments: given.map((value) => plain(value, list, 0)) };
  calls.add(call);
  return call;
}

const isData = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** Functions cannot travel: a channel is evaluated on its mark's data, here and now. */
function plain(value: unknown, data: ArrayLike<unknown> | null, depth: number): PlotValue {
  if (depth > 20) throw refused("is nested too deeply");
  if (typeof value === "function") {
    if (!data) throw refused("takes a function where there is no data to call it on");
    const channel = value as (datum: unknown, index: number) => unknown;
    return Array.from(data, (datum, i) => plain(channel(datum, i), null, depth + 1));
  }
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value as PlotValue;
  if (calls.has(value)) {
    if (!data) return value as PlotCall;
    const call = value as PlotCall;
    return call;
  }
  if (value instanceof Date || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map((entry) => plain(entry, data, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, plain(entry, data, depth + 1)]),
  );
}

const refused = (what: string): FulguriteError =>
  new FulguriteError(
    "notebook/plot",
    `This plot ${what}.`,
    "Give channels as names, numbers or lists, or functions of the mark's data.",
  );

const MAX_NODES = 2_000_000;

/** A checked recording from the kernel. */
export const plotCall: read.Reader<PlotCall> = (value) => {
  let nodes = 0;
  const visit = (one: unknown, depth: number): PlotValue => {
    if (depth > 24 || ++nodes > MAX_NODES) throw new read.Invalid("plot size");
    if (one === null || ["string", "number", "boolean", "undefined"].includes(typeof one)) {
      return one as PlotValue;
    }
    if (one instanceof Date) return one;
    if (ArrayBuffer.isView(one) && !(one instanceof DataView)) return one;
    if (Array.isArray(one)) return one.map((entry) => visit(entry, depth + 1));
    if (typeof one !== "object") throw new read.Invalid("plot value");
    const copy: Record<string, PlotValue> = {};
    for (const [key, entry] of Object.entries(one as object)) {
      if (key === "__proto__" || key === "constructor" || key === "prototype")
        throw new read.Invalid("plot key");
      copy[key] = visit(entry, depth + 1);
    }
    return copy;
  };
  return read.object<PlotCall>({
    plot: read.text(40),
    arguments: (list) => read.list((entry: unknown) => visit(entry, 0), 10)(list),
  })(value);
};
