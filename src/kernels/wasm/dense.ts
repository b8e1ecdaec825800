/**
 * Dense-layer kernels on feature-major blocks: a block of `columns` samples is [features x columns], so that a
 * vector holds four samples, weights are splatted and nothing is transposed. Addresses are bytes, baked in.
 */
import {
  add,
  assign,
  constant,
  forRange,
  keep,
  laneSums,
  load,
  loadSplat,
  multiply,
  read,
  store,
  subtract,
  type Expression,
} from "./expression.ts";
import { hyperbolicTangent } from "./elementary.ts";
import type { FunctionBody, Local } from "./function-body.ts";

/** Rows of the result that are held in registers together, and vectors of columns. */
const ROW_TILE = 4;
const VECTOR_TILE = 2;
/** Reduction steps in one turn of the inner loop. */
const UNROLL = 8;

export interface MatrixProduct {
  /** Rows of the result, and length of the sum. */
  readonly rows: number;
  readonly terms: number;
  /** Samples in a block, a multiple of 4. */
  readonly columns: number;
  /** Element (row, term) of the matrix is at matrix + 4 (row x rowStride + term x termStride). */
  readonly matrix: number;
  readonly rowStride: number;
  readonly termStride: number;
  /** [terms x columns] */
  readonly from: number;
  /** [rows x columns] */
  readonly to: number;
  /** What a sum starts from: an address of one f32 a row, what is in `to` already, or zero. */
  readonly start: { readonly bias: number } | "accumulate" | "zero";
  /** tanh of the sum, or the sum times 1 - y^2 with y at this address [rows x columns], or the sum itself. */
  readonly finish: "tanh" | "none" | { readonly tanhOutput: number };
}

/** to = finish(start + matrix x from). Forward: the weight; backward: the transposed weight (swap the strides). */
export function matrixProduct(body: FunctionBody, product: MatrixProduct): void {
  const { rows } = product;
  const tiled = rows - (rows % ROW_TILE);
  if (tiled > 0) {
    forRange(body, 0, tiled, ROW_TILE, (row) => {
      productRows(body, product, ROW_TILE, row);
    });
  }
  if (tiled < rows) {
    const row = body.local("i32");
    body.i32(tiled).set(row);
    productRows(body, product, rows - tiled, row);
  }
}

function productRows(body: FunctionBody, product: MatrixProduct, count: number, row: Local): void {
  const { columns } = product;
  const weights = body.local("i32");
  const rowBytes = body.local("i32");
  body
    .get(row)
    .i32(product.rowStride * 4)
    .op("i32.mul")
    .set(weights);
  body
    .get(row)
    .i32(columns * 4)
    .op("i32.mul")
    .set(rowBytes);
  const vectors = columns / 4;
  const wide = vectors - (vectors % VECTOR_TILE);
  const tile = (width: number, column: Local): void => {
    productTile(body, product, count, width, row, weights, rowBytes, column);
  };
  if (wide > 0) forRange(body, 0, wide * 16, VECTOR_TILE * 16, (column) => tile(VECTOR_TILE, column));
  if (wide < vectors) {
    const column = body.local("i32");
    body.i32(wide * 16).set(column);
    tile(vectors - wide, column);
  }
}

function productTile(
  body: FunctionBody,
  product: MatrixProduct,
  height: number,
  width: number,
  row: Local,
  weights: Local,
  rowBytes: Local,
  column: Local,
): void {
  const { terms, columns, matrix, rowStride, termStride, from, to, start, finish } = product;
  const sums = Array.from({ length: height }, () => Array.from({ length: width }, () => body.local("v128")));
  const target = body.local("i32");
  body.get(rowBytes).get(column).op("i32.add").set(target);
  const bias = body.local("i32");
  if (typeof start === "object") body.get(row).i32(2).op("i32.shl").set(bias);
  sums.forEach((line, r) => {
    line.forEach((sum, c) => {
      if (start === "zero") assign(body, sum, constant(0));
      else if (start === "accumulate") assign(body, sum, load(read(target), to + (r * columns + c * 4) * 4));
      else assign(body, sum, loadSplat(read(bias), start.bias + r * 4));
    });
  });

  const weight = body.local("i32");
  const sample = body.local("i32");
  body.get(weights).set(weight);
  body.get(column).set(sample);
  const term = (k: number): void => {
    const x = Array.from({ length: width }, (_, c) =>
      keep(body, load(read(sample), from + (k * columns + c * 4) * 4)),
    );
    sums.forEach((line, r) => {
      const w = keep(body, loadSplat(read(weight), matrix + (r * rowStride + k * termStride) * 4));
      line.forEach((sum, c) => {
        assign(body, sum, add(read(sum), multiply(w, x[c]!)));
      });
    });
  };
  const advance = (steps: number): void => {
    body
      .get(weight)
      .i32(steps * termStride * 4)
      .op("i32.add")
      .set(weight);
    body
      .get(sample)
      .i32(steps * columns * 4)
      .op("i32.add")
      .set(sample);
  };
  const turns = Math.floor(terms / UNROLL);
  if (turns > 1) {
    forRange(body, 0, turns, 1, () => {
      for (let k = 0; k < UNROLL; k++) term(k);
      advance(UNROLL);
    });
  }
  const rest = turns > 1 ? terms - turns * UNROLL : terms;
  for (let k = 0; k < rest; k++) term(k);

  sums.forEach((line, r) => {
    line.forEach((sum, c) => {
      const offset = (r * columns + c * 4) * 4;
      let value: Expression = read(sum);
      if (finish === "tanh") value = hyperbolicTangent(body, value);
      else if (finish !== "none") {
        const y = keep(body, load(read(target), finish.tanhOutput + offset));
        value = multiply(value, subtract(constant(1), multiply(y, y)));
      }
      store(body, read(target), to + offset, value);
    });
  });
}

export interface WeightGradient {
  readonly inputs: number;
  readonly outputs: number;
  readonly columns: number;
  /** Layer input [inputs x columns]. */
  readonly input: number;
  /** Gradient of the layer's sum [outputs x columns]. */
  readonly outputGradient: number;
  /** Both are added to: [outputs x inputs] and [outputs]. */
  readonly weightGradient: number;
  readonly biasGradient: number;
}

/** weightGradient += outputGradient x input^T, biasGradient += row sums of outputGradient. */
export function weightGradient(body: FunctionBody, layer: WeightGradient): void {
  const { outputs } = layer;
  const pairs = outputs - (outputs % 2);
  if (pairs > 0) {
    forRange(body, 0, pairs, 2, (output) => {
      gradientRows(body, layer, 2, output);
    });
  }
  if (pairs < outputs) {
    const output = body.local("i32");
    body.i32(pairs).set(output);
    gradientRows(body, layer, 1, output);
  }
}

function gradientRows(body: FunctionBody, layer: WeightGradient, count: number, output: Local): void {
  const { inputs, columns } = layer;
  const gradientRow = body.local("i32");
  const weightRow = body.local("i32");
  const biasAt = body.local("i32");
  body
    .get(output)
    .i32(columns * 4)
    .op("i32.mul")
    .set(gradientRow);
  body
    .get(output)
    .i32(inputs * 4)
    .op("i32.mul")
    .set(weightRow);
  body.get(output).i32(2).op("i32.shl").set(biasAt);
  const tile = (width: number, input: Local): void => {
    gradientTile(body, layer, count, width, gradientRow, weightRow, input);
  };
  const tiled = inputs - (inputs % 4);
  if (tiled > 0) forRange(body, 0, tiled, 4, (input) => tile(4, input));
  if (tiled < inputs) {
    const input = body.local("i32");
    body.i32(tiled).set(input);
    tile(inputs - tiled, input);
  }

  const sums = Array.from({ length: count }, () => body.local("v128"));
  for (const sum of sums) assign(body, sum, constant(0));
  forRange(body, 0, columns * 4, 16, (column) => {
    const at = body.local("i32");
    body.get(gradientRow).get(column).op("i32.add").set(at);
    sums.forEach((sum, r) => {
      assign(body, sum, add(read(sum), load(read(at), layer.outputGradient + r * columns * 4)));
    });
  });
  addLaneSums(
    body,
    sums.map(read),
    sums.map((_, r) => ({ address: biasAt, offset: layer.biasGradient + r * 4 })),
  );
}

function gradientTile(
  body: FunctionBody,
  layer: WeightGradient,
  height: number,
  width: number,
  gradientRow: Local,
  weightRow: Local,
  input: Local,
): void {
  const { inputs, columns } = layer;
  const sums = Array.from({ length: height }, () => Array.from({ length: width }, () => body.local("v128")));
  for (const sum of sums.flat()) assign(body, sum, constant(0));
  const gradientAt = body.local("i32");
  const inputAt = body.local("i32");
  body.get(gradientRow).set(gradientAt);
  body
    .get(input)
    .i32(columns * 4)
    .op("i32.mul")
    .set(inputAt);
  const vectors = (count: number): void => {
    for (let v = 0; v < count; v++) {
      const dy = Array.from({ length: height }, (_, r) =>
        keep(body, load(read(gradientAt), layer.outputGradient + (r * columns + v * 4) * 4)),
      );
      for (let i = 0; i < width; i++) {
        const x = keep(body, load(read(inputAt), layer.input + (i * columns + v * 4) * 4));
        sums.forEach((line, r) => {
          assign(body, line[i]!, add(read(line[i]!), multiply(dy[r]!, x)));
        });
      }
    }
  };
  const turns = Math.floor(columns / 16);
  if (turns > 0) {
    forRange(body, 0, turns, 1, () => {
      vectors(4);
      body.get(gradientAt).i32(64).op("i32.add").set(gradientAt);
      body.get(inputAt).i32(64).op("i32.add").set(inputAt);
    });
  }
  vectors((columns / 4) % 4);

  const weightAt = body.local("i32");
  body.get(input).i32(2).op("i32.shl").get(weightRow).op("i32.add").set(weightAt);
  sums.forEach((line, r) => {
    const row = layer.weightGradient + r * inputs * 4;
    if (width === 4) {
      const [a, b, c, d] = line.map(read);
      const total = laneSums(body, [a!, b!, c!, d!]);
      store(body, read(weightAt), row, add(load(read(weightAt), row), total));
    } else {
      addLaneSums(
        body,
        line.map(read),
        line.map((_, i) => ({ address: weightAt, offset: row + i * 4 })),
      );
    }
  });
}

/** Adds each vector's lane sum (up to four) to one f32. */
function addLaneSums(
  body: FunctionBody,
  vectors: readonly Expression[],
  places: readonly { readonly address: Local; readonly offset: number }[],
): void {
  const zero = constant(0);
  const [a = zero, b = zero, c = zero, d = zero] = vectors;
  const total = keep(body, laneSums(body, [a, b, c, d]));
  places.forEach(({ address, offset }, lane) => {
    body.get(address).get(address).memory("f32.load", offset);
    total(body);
    body.extractLane(lane).op("f32.add").memory("f32.store", offset);
  });
}
