import type { CostLimit } from "./config.ts";

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

/**
 * The multiplier of a run's cost limit. What an update is made with follows from the episodes that ended before it, so
 * that an engine need not wait for them. State, part of a training state: [lambda, integral, previous cost].
 */
export class CostMultiplier {
  readonly state: Float32Array;
  readonly #limit: CostLimit;

  constructor(limit: CostLimit) {
    this.#limit = limit;
    this.state = Float32Array.of(limit.initial, 0, 0);
  }

  get value(): number {
    return this.state[0]!;
  }

  /** Takes the mean cost of the episodes that an update ended; NaN where none did. */
  take(cost: number): void {
    if (Number.isNaN(cost)) return;
    const { limit, control } = this.#limit;
    const [lambda, integral, previousCost] = this.state as unknown as [number, number, number];
    if (control.kind === "ascent") this.state[0] = dualAscent(lambda, cost, limit, control.rate);
    else {
      const next = pidMultiplier({ lambda, integral, previousCost }, cost, limit, control);
      this.state.set([next.lambda, next.integral, next.previousCost]);
    }
  }
}
