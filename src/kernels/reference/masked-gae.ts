export interface MaskedGaeInput {
  readonly rows: number;
  readonly length: number;
  /** [rows x length] */
  readonly rewards: ArrayLike<number>;
  readonly values: ArrayLike<number>;
  /** 1 where the policy emitted the token, 0 where it was observed or padded. */
  readonly mask: ArrayLike<number>;
  readonly gamma: number;
  readonly lambda: number;
}

/**
 * Token-level GAE of conversations (verl, `compute_gae_advantage_return`): observed tokens carry the next value and
 * advantage through unchanged, so that they neither discount nor pollute. Entries outside the mask mean nothing.
 */
export function maskedGae(input: MaskedGaeInput): {
  readonly advantages: Float64Array;
  readonly returns: Float64Array;
  /** (A - mean) rsqrt(unbiased variance + 1e-8) over the masked tokens. */
  readonly whitened: Float64Array;
} {
  const { rows, length, rewards, values, mask, gamma, lambda } = input;
  const advantages = new Float64Array(rows * length);
  const returns = new Float64Array(rows * length);
  for (let row = 0; row < rows; row++) {
    let nextValue = 0;
    let advantage = 0;
    for (let i = (row + 1) * length - 1; i >= row * length; i--) {
      if (mask[i] !== 0) {
        const delta = rewards[i]! + gamma * nextValue - values[i]!;
        advantage = delta + gamma * lambda * advantage;
        nextValue = values[i]!;
      }
      advantages[i] = advantage;
      returns[i] = advantage + values[i]!;
    }
  }
  const kept = Array.from(advantages).filter((_, i) => mask[i] !== 0);
  const mean = kept.reduce((sum, value) => sum + value, 0) / kept.length;
  const variance = kept.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (kept.length - 1);
  const scale = 1 / Math.sqrt(variance + 1e-8);
  return { advantages, returns, whitened: advantages.map((value) => (value - mean) * scale) };
}
