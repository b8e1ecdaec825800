const scratch = new DataView(new ArrayBuffer(4));

function bitsOf(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

function floatOf(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

/** The f32 whose upper half these 16 bits are: exact. */
export const fromBfloat16 = (bits: number): number => floatOf((bits << 16) >>> 0);

/** Nearest bfloat16, ties to even; NaN stays NaN. */
export function toBfloat16(value: number): number {
  const bits = bitsOf(value);
  if (value !== value) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** IEEE 754 binary16, exact. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Nearest binary16, ties to even; beyond 65,520 infinite. */
export function toFloat16(value: number): number {
  const sign = (bitsOf(value) >>> 16) & 0x8000;
  const size = Math.abs(value);
  if (size !== size) return sign | 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  // Steps of 2^-24 below 2^-14, of 2^-10 of the value's power of two above: scaling by either is exact.
  if (size < 2 ** -14) return sign | roundToEven(size * 2 ** 24);
  const exponent = ((bitsOf(size) >>> 23) & 255) - 127;
  return sign | (((exponent + 14) << 10) + roundToEven(size * 2 ** (10 - exponent)));
}

function roundToEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}
