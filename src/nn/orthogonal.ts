/**
 * Orthogonal matrix [rows x columns] from a Gaussian one of the same shape (Saxe et al. 2013, arXiv 1312.6120, as
 * `torch.nn.init.orthogonal_`): Q of the QR decomposition, columns times sign(diag R), times `gain`. Where there
 * are fewer rows than columns the transpose is decomposed. Householder reflections, f64, + - x / and sqrt
 * only: the same bits in every engine.
 */
export function orthogonal(
  gaussian: ArrayLike<number>,
  rows: number,
  columns: number,
  gain: number,
): Float64Array {
  const transposed = rows < columns;
  const height = transposed ? columns : rows;
  const width = transposed ? rows : columns;
  const a = new Float64Array(height * width);
  for (let r = 0; r < height; r++) {
    for (let c = 0; c < width; c++) {
      a[r * width + c] = transposed ? gaussian[c * columns + r]! : gaussian[r * columns + c]!;
    }
  }
  const q = householderQ(a, height, width);
  const weight = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      weight[r * columns + c] = gain * (transposed ? q[c * width + r]! : q[r * width + c]!);
    }
  }
  return weight;
}

/** Q [height x width] with the signs chosen so that R has a positive diagonal; `a` is overwritten. */
function householderQ(a: Float64Array, height: number, width: number): Float64Array {
  const reflectors: Float64Array[] = [];
  const signs: number[] = [];
  for (let k = 0; k < width; k++) {
    let squared = 0;
    for (let r = k; r < height; r++) squared += a[r * width + k]! * a[r * width + k]!;
    const norm = Math.sqrt(squared);
    const head = a[k * width + k]!;
    const alpha = head >= 0 ? -norm : norm;
    signs.push(alpha >= 0 ? 1 : -1);
    const v = new Float64Array(height);
    for (let r = k; r < height; r++) v[r] = a[r * width + k]!;
    v[k] = head - alpha;
    reflect(a, v, k, height, width);
    reflectors.push(v);
  }
  const q = new Float64Array(height * width);
  for (let c = 0; c < width; c++) q[c * width + c] = signs[c]!;
  for (let k = width - 1; k >= 0; k--) reflect(q, reflectors[k]!, k, height, width);
  return q;
}

/** a <- (I - 2 v v^T / v^T v) a, with v zero above row k. */
function reflect(a: Float64Array, v: Float64Array, k: number, height: number, width: number): void {
  let length = 0;
  for (let r = k; r < height; r++) length += v[r]! * v[r]!;
  if (length === 0) return;
  for (let c = 0; c < width; c++) {
    let dot = 0;
    for (let r = k; r < height; r++) dot += v[r]! * a[r * width + c]!;
    const factor = (2 * dot) / length;
    for (let r = k; r < height; r++) a[r * width + c]! -= factor * v[r]!;
  }
}
