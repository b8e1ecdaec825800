import type { Action } from "../kernels/action-space.ts";
import { type Draw, interpretF32 } from "./interpret.ts";
import { type IrFunction, visitExpressions } from "./ir.ts";
import { type Entries, emitWasm, wasmImports } from "./wasm.ts";

export type EvaluateStep = (
  s: Float32Array,
  sAt: number,
  a: Action,
  next: Float32Array,
  nextAt: number,
) => number;

/** Element indices of an array parameter that the function reads, in order; null: it may read all. */
function reads(source: IrFunction, local: number): number[] | null {
  const indices = new Set<number>();
  let all = false;
  visitExpressions(source.body, (node) => {
    if (node.kind === "element" && node.local === local) indices.add(node.index);
    else if (node.kind === "item") all ||= node.local === local;
    else if (node.kind === "call") {
      all ||= node.arguments.some((argument) => argument.kind === "reference" && argument.local === local);
    }
  });
  return all ? null : [...indices].sort((a, b) => a - b);
}

/** An instance of a module: its functions by name, and its memory. */
export interface WasmInstance {
  readonly memory: Float32Array;
  readonly functions: Readonly<Record<string, (...numbers: number[]) => number>>;
}

/** Runs entries as WebAssembly; the first `reserved` floats of the memory are the caller's. Throws where it is refused. */
export function instantiate(entries: Entries, reserved: number, draw: Draw): WasmInstance {
  const { bytes, size, constants } = emitWasm(entries, reserved * Float32Array.BYTES_PER_ELEMENT);
  const memory = new WebAssembly.Memory({ initial: Math.ceil(size / 65_536) });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    host: { memory, draw, ...wasmImports },
  });
  const values = new Float32Array(memory.buffer);
  for (const { address, values: list } of constants)
    values.set(list, address / Float32Array.BYTES_PER_ELEMENT);
  return { memory: values, functions: instance.exports as WasmInstance["functions"] };
}

/** A step function (array s, f32 or array a, array next) as WebAssembly. Throws where WebAssembly is refused. */
export function wasmStep(source: IrFunction, stateSize: number, actionSize = 1): EvaluateStep {
  const { memory: values, functions } = instantiate({ run: source }, 2 * stateSize + actionSize, () => NaN);
  const run = functions["run"]!;
  const all = Array.from({ length: stateSize }, (_, i) => i);
  const sReads = reads(source, 0) ?? all;
  const nextReads = reads(source, 2) ?? all;
  const nextBytes = stateSize * Float32Array.BYTES_PER_ELEMENT;
  return (s, sAt, a, next, nextAt) => {
    for (const index of sReads) values[index] = s[sAt + index]!;
    for (const index of nextReads) values[stateSize + index] = next[nextAt + index]!;
    if (typeof a === "number") return run(0, a, nextBytes);
    values.set(a, 2 * stateSize);
    return run(0, 2 * nextBytes, nextBytes);
  };
}

/** The same function interpreted: slower, the same bits. */
export function interpretedStep(source: IrFunction): EvaluateStep {
  const frame = interpretF32(source);
  return (s, sAt, a, next, nextAt) => {
    frame.arrays[0] = s;
    frame.offsets[0] = sAt;
    if (typeof a === "number") frame.scalars[1] = a;
    else frame.arrays[1] = a;
    frame.arrays[2] = next;
    frame.offsets[2] = nextAt;
    return frame.run();
  };
}
