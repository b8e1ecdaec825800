import { FulguriteError } from "../gpu/error.ts";
import { random4, stream, uniform } from "../kernels/philox.ts";
import { type CompiledLoss, lossColumns, trainedColumns } from "./compile-loss.ts";
import type { Bounded } from "./error-bounds.ts";

export interface LossCheck {
  /** Rows on which the forms were compared. */
  readonly checkedRows: number;
  /** Largest |f32 - f64| on them, of the loss and its derivatives. */
  readonly largestDifference: number;
  /** Derivatives compared with finite differences. */
  readonly checkedDerivatives: number;
  /** Rows left out: a comparison too close to call, a kink, a result that is not finite. */
  readonly undecided: number;
}

/** A row as a person's function sees it. */
export type LossRow = Readonly<Record<(typeof lossColumns)[number], number>>;
export type LossFunction = (row: LossRow) => unknown;

/**
 * Compares the f32 form of a loss with the f64 reference, the reference with the person's own function where there is
 * one, and every derivative with central differences of the loss in f64, on random rows as training makes them.
 * Throws `compile/mismatch`.
 */
export function checkLoss(
  compiled: CompiledLoss,
  jsFunction: LossFunction | null,
  options: { readonly rows: number; readonly seed: number },
): LossCheck {
  const row = new Float32Array(lossColumns.length);
  const out = new Float32Array(1 + trainedColumns.length);
  let checkedRows = 0;
  let largestDifference = 0;
  let checkedDerivatives = 0;
  let undecided = 0;
  for (let i = 0; i < options.rows; i++) {
    randomRow(row, options.seed, i);
    compiled.evaluate(row, 0, out, 0);
    const loss = compiled.reference(row, 0);
    const slopes = trainedColumns.map((_, by) => compiled.referenceDerivative(row, 0, by));
    const all = [loss, ...slopes];
    if (jsFunction) compareWithFunction(jsFunction, row, loss);
    if (all.some(({ error }) => error === Infinity)) {
      undecided++;
      continue;
    }
    checkedRows++;
    all.forEach(({ value, error }, k) => {
      const difference = Math.abs(out[k]! - value);
      largestDifference = Math.max(largestDifference, difference);
      if (difference <= error) return;
      const what = k === 0 ? "loss" : `derivative by ${trainedColumns[k - 1]!}`;
      throw mismatch(row, `the ${what} is ${out[k]!} compiled and ${value} in the reference`);
    });
    slopes.forEach(({ value }, by) => {
      const estimate = difference(compiled, row, by);
      if (estimate === null) return;
      checkedDerivatives++;
      if (Math.abs(value - estimate.slope) <= estimate.error) return;
      throw mismatch(
        row,
        `the derivative by ${trainedColumns[by]!} is ${value}, and finite differences give ${estimate.slope}`,
      );
    });
  }
  return { checkedRows, largestDifference, checkedDerivatives, undecided };
}

/** Central difference of the loss, and how far it may be off; null at a kink or where it is too rough. */
function difference(
  compiled: CompiledLoss,
  row: Float32Array,
  by: number,
): { readonly slope: number; readonly error: number } | null {
  const column = lossColumns.indexOf(trainedColumns[by]!);
  const values = Float64Array.from(row);
  const at = (offset: number): number => {
    values[column] = row[column]! + offset;
    return compiled.reference(values, 0).value;
  };
  const h = 1e-4;
  const [far, near, middle, low, lower] = [at(2 * h), at(h), at(0), at(-h), at(-2 * h)];
  const [up, down] = [(near - middle) / h, (middle - low) / h];
  const curve = [(far - near) / h - up, up - down, down - (low - lower) / h];
  const slope = (near - low) / (2 * h);
  const scale = Math.max(Math.abs(slope), Math.abs(middle), 1e-3);
  const smooth = Math.max(...curve.map((c) => Math.abs(c - curve[1]!)));
  if (![far, near, middle, low, lower].every(Number.isFinite) || smooth > 1e-4 * scale) return null;
  return { slope, error: 1e-4 * scale + smooth };
}

function compareWithFunction(jsFunction: LossFunction, row: Float32Array, { value, error }: Bounded): void {
  const view = Object.fromEntries(lossColumns.map((name, i) => [name, row[i]!])) as unknown as LossRow;
  let own: unknown;
  try {
    own = jsFunction(view);
  } catch (cause) {
    throw mismatch(
      row,
      `the function itself throws "${cause instanceof Error ? cause.message : String(cause)}"`,
    );
  }
  if (typeof own !== "number") throw mismatch(row, `the function itself gives ${typeof own}, not a number`);
  const tolerance = 1e-9 * Math.abs(value) + (error === Infinity ? 1e-9 : Math.min(error, 1e-3));
  if (Object.is(own, value) || Math.abs(own - value) <= tolerance || error === Infinity) return;
  throw mismatch(row, `the function itself gives ${own}, its compiled source ${value}`);
}

/** A row as training makes them: ratios near 1 and far from it, padding now and then. */
export function randomRow(row: Float32Array, seed: number, index: number): void {
  const words = new Uint32Array(4);
  const draw = (k: number): number => {
    random4(seed, stream.check, k, index, words);
    return uniform(words[0]!);
  };
  const spread = draw(8) < 0.5 ? 0.2 : 2;
  const oldLogProbability = -4 * draw(0);
  const oldValue = 6 * draw(1) - 3;
  row.set([
    Math.min(oldLogProbability + spread * (2 * draw(2) - 1), 0),
    oldLogProbability,
    4 * draw(3) - 2,
    oldValue + spread * (2 * draw(4) - 1),
    oldValue,
    oldValue + 4 * draw(5) - 2,
    2 * draw(6),
    draw(7) < 0.1 ? 0 : 1,
  ]);
}

/** A row for people. */
export const describeRow = (row: Float32Array): string =>
  `row: ${lossColumns.map((name, i) => `${name} ${row[i]!}`).join(", ")}`;

function mismatch(row: Float32Array, what: string): FulguriteError {
  return new FulguriteError(
    "compile/mismatch",
    `the loss's forms disagree: ${what} (${describeRow(row)})`,
    "Check that captured constants have not changed since; otherwise please report this loss.",
  );
}
