import { differentiate } from "./differentiate.ts";
import type { Bounded } from "./error-bounds.ts";
import { foldProgram } from "./forms.ts";
import { interpretF32 } from "./interpret.ts";
import { type Expression, type IrFunction, type Statement, visitExpressions } from "./ir.ts";
import { layoutOfElements } from "./layout.ts";
import { type Constants, type FunctionTexts, Program } from "./program.ts";
import { interpretReference } from "./reference.ts";
import { instantiate } from "./run-wasm.ts";
import { lossColumns, trainedColumns } from "./loss-columns.ts";
import { Source } from "./source.ts";
import { emitWgsl } from "./wgsl.ts";

export { lossColumns, trainedColumns } from "./loss-columns.ts";

const SIZE = lossColumns.length;
const seeds = trainedColumns.map((name) => lossColumns.indexOf(name));

export interface LossOptions {
  /** Numbers and lists of numbers that the source captured from outside, by name. */
  readonly constants?: Constants;
  /** Functions that the source calls, and that they call, by name. */
  readonly functions?: FunctionTexts;
  /** Line of the cell on which the source begins, 1-based; default 1. */
  readonly line?: number;
}

/** A loss of one row and its derivatives, in all forms. */
export interface CompiledLoss {
  readonly source: string;
  /**
   * Self-contained WGSL defining `fn row_loss(row: array<f32, 8>) -> vec4f`: the loss, and its derivatives by
   * log-probability, value and entropy. `row` is in the order of `lossColumns`; helpers are prefixed `loss_`.
   */
  readonly wgsl: string;
  /** The same in f32 on the CPU: reads 8 numbers at `row[at ...]`, writes 4 at `out[outAt ...]`. */
  evaluate(row: ArrayLike<number>, at: number, out: Float32Array, outAt: number): void;
  /** The loss alone in f64, and how far a correct f32 engine may be from it. */
  reference(row: ArrayLike<number>, at: number): Bounded;
  /** The derivative by trained column `by` in f64, likewise. */
  referenceDerivative(row: ArrayLike<number>, at: number, by: number): Bounded;
}

/**
 * Compiles the loss of one row, `(row) => -row.advantage * Math.exp(row.logProbability - row.oldLogProbability)`.
 * What compiles is what `compileStepReward` says; the derivatives are made from the intermediate form and the mean
 * over rows is the algorithm's. Throws as `compileStepReward` does.
 */
export function compileLoss(source: string, options: LossOptions = {}): CompiledLoss {
  const program = new Program(options.constants, options.functions);
  const layout = layoutOfElements(lossColumns);
  const row = { kind: "state", layout, writable: false } as const;
  const entry = program.entry(
    { source, line: options.line ?? 1 },
    { name: "value", parameters: [row], signature: "one parameter, `(row)`", result: "f32" },
  );
  const derivative = differentiate(entry.lowered, program.functions);
  // Nothing made here can be wrong in a way that has a place in the source, but for overflowing constants.
  const own = new Source(source, options.line ?? 1);
  const [value, slope] = foldProgram(program, [entry, { lowered: derivative, source: own }], own);
  if (isFlat(slope!)) {
    throw own.error(
      "compile/type",
      0,
      "the loss is the same whatever the policy does",
      "Make it depend on `row.logProbability`, `row.value` or `row.entropy`, which alone are trained.",
    );
  }
  const whole = rowLoss(value!, slope!);
  const reference = interpretReference(entry.lowered);
  const referenceSlope = interpretReference(derivative);
  const seed = new Float64Array(SIZE);
  return {
    source,
    wgsl: wgslOf(whole),
    evaluate: evaluator(whole),
    reference: (values, at) => {
      reference.arrays[0] = { values, errors: null };
      reference.offsets[0] = at;
      return reference.run();
    },
    referenceDerivative: (values, at, by) => {
      seed.fill(0);
      seed[seeds[by]!] = 1;
      referenceSlope.arrays[0] = { values, errors: null };
      referenceSlope.offsets[0] = at;
      referenceSlope.arrays[1] = { values: seed, errors: null };
      return referenceSlope.run();
    },
  };
}

/** Whether a derivative reads the tangent of no column that is trained. */
function isFlat({ body }: IrFunction): boolean {
  let flat = true;
  visitExpressions(body, (node) => {
    if (node.kind === "element" && node.local === 1) flat &&= !seeds.includes(node.index);
    // A helper may read any of them.
    if (node.kind === "call")
      flat &&= !node.arguments.some((one) => one.kind === "reference" && one.local === 1);
  });
  return flat;
}

/** (row, seed, out): the loss and one directional derivative after the other. `seed` is zeros, and is again at the end. */
function rowLoss(value: IrFunction, slope: IrFunction): IrFunction {
  const functions = new Map([...value.functions, ["value", value], ["slope", slope]]);
  const list = (name: string, length: number): IrFunction["locals"][number] => ({
    name,
    type: { kind: "array", length },
    mutable: true,
  });
  const number = (n: number): Expression => ({ kind: "number", type: "f32", value: n, at: 0 });
  const store = (local: number, offset: number, stored: Expression): Statement => ({
    kind: "store",
    local,
    index: number(0),
    offset,
    length: 1,
    value: stored,
  });
  const call = (callee: string, ...locals: number[]): Expression => ({
    kind: "call",
    type: "f32",
    callee,
    arguments: locals.map((local) => ({ kind: "reference", local })),
    at: 0,
  });
  return {
    name: "loss_row",
    locals: [list("row", SIZE), list("seed", SIZE), list("out", 1 + seeds.length)],
    parameterCount: 3,
    result: null,
    body: [
      store(2, 0, call("value", 0)),
      ...seeds.flatMap((column, i) => [
        store(1, column, number(1)),
        store(2, 1 + i, call("slope", 0, 1)),
        store(1, column, number(0)),
      ]),
      { kind: "return", value: null },
    ],
    draws: false,
    writes: new Set([1, 2]),
    functions,
  };
}

const wgslOf = (whole: IrFunction): string =>
  emitWgsl([{ source: whole, name: "loss_row", names: ["row", "seed", "list"], byValue: false }], "loss") +
  `
fn row_loss(row: array<f32, ${SIZE}>) -> vec4f {
  var columns = row;
  var seed = array<f32, ${SIZE}>();
  var list: array<f32, 4>;
  loss_row(&columns, &seed, &list);
  return vec4f(list[0], list[1], list[2], list[3]);
}
`;

function evaluator(whole: IrFunction): CompiledLoss["evaluate"] {
  try {
    const { memory, functions } = instantiate({ run: whole }, 2 * SIZE + 4, () => NaN);
    const run = functions["run"]!;
    return (row, at, out, outAt) => {
      for (let i = 0; i < SIZE; i++) memory[i] = row[at + i]!;
      run(0, SIZE * 4, SIZE * 8);
      for (let i = 0; i < 4; i++) out[outAt + i] = memory[2 * SIZE + i]!;
    };
  } catch {
    // A content security policy may refuse WebAssembly.
    const frame = interpretF32(whole);
    frame.arrays[1] = new Float32Array(SIZE);
    return (row, at, out, outAt) => {
      frame.arrays[0] = row;
      frame.offsets[0] = at;
      frame.arrays[2] = out;
      frame.offsets[2] = outAt;
      frame.run();
    };
  }
}
