import { interpretF32 } from "./interpret.ts";
import { type IrFunction, visitExpressions } from "./ir.ts";
import { emitWasm, wasmImports } from "./wasm.ts";

export type EvaluateStep = (
  s: Float32Array,
  sAt: number,
  a: number,
  next: Float32Array,
  nextAt: number,
) => number;

/** Element indices of an array parameter that the function reads, in order. */
function reads(source: IrFunction, local: number): number[] {
  const indices = new Set<number>();
  visitExpressions(source.body, (node) => {
    if (node.kind === "element" && node.local === local) indices.add(node.index);
  });
  return [...indices].sort((a, b) => a - b);
}

/** A step function (array s, f32 a, array next) as WebAssembly. Throws where WebAssembly is refused. */
export function wasmStep(source: IrFunction, stateSize: number): EvaluateStep {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(emitWasm(source)), {
    host: { memory, ...wasmImports },
  });
  const run = instance.exports["run"] as (s: number, a: number, next: number) => number;
  const values = new Float32Array(memory.buffer);
  const sReads = reads(source, 0);
  const nextReads = reads(source, 2);
  const nextBytes = stateSize * Float32Array.BYTES_PER_ELEMENT;
  return (s, sAt, a, next, nextAt) => {
    for (const index of sReads) values[index] = s[sAt + index]!;
    for (const index of nextReads) values[stateSize + index] = next[nextAt + index]!;
    return run(0, a, nextBytes);
  };
}

/** The same function interpreted: slower, the same bits. */
export function interpretedStep(source: IrFunction): EvaluateStep {
  const frame = interpretF32(source);
  return (s, sAt, a, next, nextAt) => {
    frame.arrays[0] = s;
    frame.offsets[0] = sAt;
    frame.scalars[1] = a;
    frame.arrays[2] = next;
    frame.offsets[2] = nextAt;
    return frame.run();
  };
}
