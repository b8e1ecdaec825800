/** Dual ascent on the multiplier of a cost limit: max(0, lambda + rate (cost - limit)) (Ray et al. 2019). */
export const dualAscent = (lambda: number, cost: number, limit: number, rate: number): number =>
  Math.max(0, lambda + rate * (cost - limit));

/** Advantage under a multiplier: (A_reward - lambda A_cost) / (1 + lambda). */
export const constrainedAdvantage = (reward: number, cost: number, lambda: number): number =>
  (reward - lambda * cost) / (1 + lambda);

export interface PidState {
  readonly lambda: number;
  readonly integral: number;
  readonly previousCost: number;
}

export interface PidGains {
  readonly proportional: number;
  readonly integral: number;
  readonly derivative: number;
}

/** PID control of the multiplier, which damps the oscillation of dual ascent (Stooke et al. 2020). */
export function pidMultiplier(state: PidState, cost: number, limit: number, gains: PidGains): PidState {
  const error = cost - limit;
  const integral = Math.max(0, state.integral + error);
  const derivative = Math.max(0, cost - state.previousCost);
  const { proportional: p, integral: i, derivative: d } = gains;
  return { lambda: Math.max(0, p * error + i * integral + d * derivative), integral, previousCost: cost };
}
