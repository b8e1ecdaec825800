import { expect, test } from "vitest";
import { expectClose, f64Tolerance, golden } from "../../test/support/goldens.ts";
import { constrainedAdvantage, CostMultiplier, dualAscent, pidMultiplier } from "./lagrangian.ts";

test("multipliers and advantages of PPO-Lagrangian", () => {
  const g = golden("ppo_lagrangian");
  const { lr, limit, kp, ki, kd } = g.params as Record<string, number>;
  const costs = g.input("episode_costs");
  let lambda = 0;
  const dual = costs.map((cost) => (lambda = dualAscent(lambda, cost, limit!, lr!)));
  expectClose(dual, g.output("lambda_seq"), f64Tolerance);
  let pid = { lambda: 0, integral: 0, previousCost: 0 };
  const gains = { proportional: kp!, integral: ki!, derivative: kd! };
  const controlled = costs.map((cost) => (pid = pidMultiplier(pid, cost, limit!, gains)).lambda);
  expectClose(controlled, g.output("pid_lambda_seq"), f64Tolerance);
  const cost = g.input("adv_cost");
  const combined = g.input("adv_reward").map((reward, i) => constrainedAdvantage(reward, cost[i]!, 0.75));
  expectClose(combined, g.output("combined_adv"), f64Tolerance);
});

test("cheap episodes are not saved up against dear ones, and no episode changes nothing", () => {
  const gains = { proportional: 0, integral: 1, derivative: 0 };
  const cheap = pidMultiplier({ lambda: 0, integral: 0, previousCost: 0 }, 1, 10, gains);
  expect(cheap).toMatchObject({ lambda: 0, integral: 0 });
  expect(pidMultiplier(cheap, 12, 10, gains).lambda).toBe(2);
  for (const control of [{ kind: "ascent", rate: 0.1 } as const, { kind: "pid", ...gains } as const]) {
    const multiplier = new CostMultiplier({ limit: 10, initial: 0.5, control });
    multiplier.take(12);
    const after = multiplier.state.slice();
    multiplier.take(NaN);
    expect(multiplier.state).toEqual(after);
    expect(multiplier.value).toBeGreaterThan(0.5);
  }
});
