import type { FunctionBody, Local } from "./function-body.ts";
import type { WasmModule } from "./module.ts";
import { advance, countDown } from "./transformer-vector.ts";

/**
 * C[m, n] = sum over k of A[m, k] B[k, n], or C += that sum. All strides are bytes, so that one kernel serves
 * y = x W^T on packed weights, dx = dy W on weights as they lie, and dW += dy^T x.
 */
export interface MatmulSpec {
  /** From one row of A to the next. */
  readonly aRow: number;
  /** From one k to the next in A. */
  readonly aStep: number;
  /** From one k to the next in B. */
  readonly bStep: number;
  /** From one panel of eight columns of B to the next. */
  readonly bPanel: number;
  readonly cRow: number;
  /** Columns of B and C, a multiple of 4. */
  readonly columns: number;
  /** Length of the sum, a multiple of 4; null: the fifth argument, likewise. */
  readonly reduction: number | null;
  readonly accumulate: boolean;
}

const rowsAtOnce = 4;
const stepsAtOnce = 4;
/** Rows that share one pass over B: their part of A stays in the first-level cache, and so does a panel of B. */
export const rowsInCache = 32;
/** Steps of a long sum that are added to C at once: what they read stays in the second-level cache. */
const stepsInCache = 128;

/**
 * Exports `name(a, b, c, rows, reduction?)`: addresses in bytes, rows a multiple of 4. Every element is its products
 * added in the order of k, starting from zero, whatever rows stand beside it: a row's result depends on nothing else.
 * A sum of a length that is an argument is taken 128 steps at a time, each adding to C.
 */
export function defineMatmul(module: WasmModule, name: string, spec: MatmulSpec): void {
  const dynamic = spec.reduction === null;
  module.define(
    name,
    dynamic ? ["i32", "i32", "i32", "i32", "i32"] : ["i32", "i32", "i32", "i32"],
    [],
    (body) => {
      const [a, b, c, rows, reduction] = body.parameters;
      const panel = body.local("i32");
      const panels = body.local("i32");
      const chunk = body.local("i32");
      const source = body.local("i32");
      const target = body.local("i32");
      const column = body.local("i32");
      const blocks = body.local("i32");
      const steps = body.local("i32");
      const rest = body.local("i32");
      const [firstRow, firstTarget] = [body.local("i32"), body.local("i32")];
      const tile = defineTile(body, spec, source, dynamic ? steps : undefined);
      const eachBlock = (vectors: number): void => {
        body.get(firstRow).set(source).get(column).set(target);
        body.get(chunk).i32(2).op("i32.shr_u").set(blocks);
        countDown(body, blocks, () => {
          tile(panel, target, vectors);
          advance(body, source, rowsAtOnce * spec.aRow);
          advance(body, target, rowsAtOnce * spec.cRow);
        });
      };
      const everyRow = (): void => {
        body.get(rows!).set(rest).get(a!).set(firstRow).get(c!).set(firstTarget);
        body.block(null, () => {
          body.get(rest).op("i32.eqz").branchIf(0);
          body.loop(null, () => {
            body.i32(rowsInCache).get(rest).get(rest).i32(rowsInCache).op("i32.gt_u").op("select").set(chunk);
            body.get(b!).set(panel).get(firstTarget).set(column);
            body.i32(Math.floor(spec.columns / 8)).set(panels);
            countDown(body, panels, () => {
              eachBlock(2);
              advance(body, panel, spec.bPanel);
              advance(body, column, 32);
            });
            if (spec.columns % 8 !== 0) eachBlock(1);
            advance(body, firstRow, rowsInCache * spec.aRow);
            advance(body, firstTarget, rowsInCache * spec.cRow);
            body.get(rest).get(chunk).op("i32.sub").tee(rest).branchIf(0);
          });
        });
      };
      if (!dynamic) {
        everyRow();
        return;
      }
      body.block(null, () => {
        body.get(reduction!).op("i32.eqz").branchIf(0);
        body.loop(null, () => {
          body.i32(stepsInCache).get(reduction!).get(reduction!);
          body.i32(stepsInCache).op("i32.gt_u").op("select").set(steps);
          everyRow();
          advance(body, a!, stepsInCache * spec.aStep);
          advance(body, b!, stepsInCache * spec.bStep);
          body.get(reduction!).get(steps).op("i32.sub").tee(reduction!).branchIf(0);
        });
      });
    },
  );
}

type Tile = (panel: Local, target: Local, vectors: number) => void;

/** Four rows by one or two vectors of columns, kept in registers over the whole sum. */
function defineTile(body: FunctionBody, spec: MatmulSpec, a: Local, length: Local | undefined): Tile {
  const pa = body.local("i32");
  const pb = body.local("i32");
  const steps = body.local("i32");
  const sums = Array.from({ length: rowsAtOnce }, () => [body.local("v128"), body.local("v128")] as const);
  const bs = [body.local("v128"), body.local("v128")] as const;
  const splat = body.local("v128");
  return (panel, target, vectors) => {
    body.get(a).set(pa).get(panel).set(pb);
    for (const row of sums) for (let v = 0; v < vectors; v++) body.f32x4(0).set(row[v]!);
    if (length === undefined) body.i32(spec.reduction! / stepsAtOnce).set(steps);
    else body.get(length).i32(2).op("i32.shr_u").set(steps);
    countDown(body, steps, () => {
      for (let k = 0; k < stepsAtOnce; k++) {
        for (let v = 0; v < vectors; v++) {
          body
            .get(pb)
            .memory("v128.load", k * spec.bStep + 16 * v)
            .set(bs[v]!);
        }
        sums.forEach((row, r) => {
          body
            .get(pa)
            .memory("v128.load32_splat", r * spec.aRow + k * spec.aStep)
            .set(splat);
          for (let v = 0; v < vectors; v++) {
            body.get(row[v]!).get(splat).get(bs[v]!).op("f32x4.mul").op("f32x4.add").set(row[v]!);
          }
        });
      }
      advance(body, pa, stepsAtOnce * spec.aStep);
      advance(body, pb, stepsAtOnce * spec.bStep);
    });
    sums.forEach((row, r) => {
      for (let v = 0; v < vectors; v++) {
        const offset = r * spec.cRow + 16 * v;
        body.get(target);
        if (spec.accumulate) body.get(target).memory("v128.load", offset).get(row[v]!).op("f32x4.add");
        else body.get(row[v]!);
        body.memory("v128.store", offset);
      }
    });
  };
}
