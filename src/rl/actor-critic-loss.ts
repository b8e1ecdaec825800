import type { LossRow, LossSettings, LossTerm, RowLoss } from "../kernels/row-loss.ts";

/** 1/2 (V - R)^2, with its derivative by V. */
export const halfSquaredError = (value: number, target: number): LossTerm => ({
  loss: 0.5 * (value - target) ** 2,
  slope: value - target,
});

/**
 * The value's half squared error; with a clip the larger one of it and that of V_old + clip(V - V_old, -e, e), so that
 * a value does not gain by moving further than e (CleanRL's `ppo.py`).
 */
export function valueLoss({ value, oldValue, return: target }: LossRow, clip: number | null): LossTerm {
  const plain = halfSquaredError(value, target);
  if (clip === null) return plain;
  const change = value - oldValue;
  const clipped = halfSquaredError(oldValue + Math.min(Math.max(change, -clip), clip), target);
  if (clipped.loss <= plain.loss) return plain;
  return { loss: clipped.loss, slope: Math.abs(change) < clip ? clipped.slope : 0 };
}

/** L = policy's term - c_e H + c_v value's term, with `policy.slope` by log pi and `value.slope` by V. */
export function actorCriticLoss(
  policy: LossTerm,
  value: LossTerm,
  { entropy }: LossRow,
  { entropyCoefficient, valueCoefficient }: LossSettings,
): RowLoss {
  return {
    loss: policy.loss - entropyCoefficient * entropy + valueCoefficient * value.loss,
    policyLoss: policy.loss,
    valueLoss: value.loss,
    byLogProbability: policy.slope,
    byEntropy: -entropyCoefficient,
    byValue: valueCoefficient * value.slope,
    byCostValue: 0,
  };
}
