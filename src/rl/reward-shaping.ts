/**
 * Soft punishment of overlong answers (DAPO, arXiv 2503.14476, equation 13): 0 up to `most - buffer` tokens, then in a
 * line down to -factor at `most` and beyond.
 */
export function overlongPenalty(
  length: number,
  { most, buffer, factor }: { readonly most: number; readonly buffer: number; readonly factor: number },
): number {
  const excess = length - (most - buffer);
  return excess <= 0 ? 0 : -factor * Math.min(1, excess / buffer);
}
