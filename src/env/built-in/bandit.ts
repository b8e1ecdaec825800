import { FulguriteError } from "../../gpu/error.ts";
import { type CompiledEnvironment, compileEnvironment } from "../compile-environment.ts";
import { type EnvironmentParts, environmentFrom } from "../environment-from.ts";

export interface BanditOptions {
  /** What each arm pays on average; default the ten of Sutton and Barto (2018), figure 2.1, as read off it. */
  readonly means?: readonly number[];
  /** Standard deviation of the pay; default 1. */
  readonly noise?: number;
}

const testbed = [0.2, -0.8, 1.5, 0.4, 1.2, -1.5, -0.1, -1, 0.8, -0.5];

/**
 * The k-armed bandit (Sutton and Barto 2018, chapter 2): pull one arm, be paid its mean and normal noise, and that is
 * the whole episode. Observes nothing, a constant 1. Throws "env/invalid".
 */
export const bandit = (options: BanditOptions = {}): CompiledEnvironment =>
  compileEnvironment(environmentFrom(banditSource(options)));

export function banditSource({ means = testbed, noise = 1 }: BanditOptions): EnvironmentParts {
  if (means.length < 2 || means.length > 64 || !means.every(Number.isFinite) || !(noise >= 0)) {
    throw new FulguriteError(
      "env/invalid",
      "The bandit has no usable arms.",
      "Give `means`, 2 to 64 numbers, and `noise`, 0 or more.",
    );
  }
  return {
    name: "Bandit",
    state: ["pay", "arm"],
    actions: { kind: "discrete", count: means.length },
    steps: 1,
    threshold: Math.max(...means) - 0.1,
    reset: "() => ({ pay: 0, arm: -1 })",
    step: "(s, a, random) => ({ pay: random.normal(MEANS[a], NOISE), arm: a })",
    observe: "() => [1]",
    reward: "(s, a, next) => next.pay",
    done: "(s) => s.arm >= 0",
    frameRate: 3,
    view: [-0.2, -3, means.length + 0.2, 3],
    draw: `(s, paint) => {
      paint.line(-0.2, 0, MEANS.length + 0.2, 0, 0.02, "ground");
      for (let i = 0; i < MEANS.length; i++) {
        paint.rect(i + 0.5, MEANS[i] / 2, 0.6, Math.max(Math.abs(MEANS[i]), 0.02), "ground");
      }
      if (s.arm >= 0) paint.circle(s.arm + 0.5, s.pay, 0.2, "accent");
    }`,
    constants: { MEANS: means, NOISE: noise },
  };
}
