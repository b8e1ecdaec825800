/** 95 % Wilson score interval of a share: `successes` of `count`. [0, 1] for nothing counted. */
export function wilson(successes: number, count: number): { readonly low: number; readonly high: number } {
  if (count === 0) return { low: 0, high: 1 };
  const z = 1.959963984540054;
  const share = successes / count;
  const scale = 1 / (1 + (z * z) / count);
  const center = (share + (z * z) / (2 * count)) * scale;
  const half = z * scale * Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count));
  // Rounding must not leave 3e-18 where nothing succeeded.
  return {
    low: successes === 0 ? 0 : Math.max(0, center - half),
    high: successes === count ? 1 : Math.min(1, center + half),
  };
}
