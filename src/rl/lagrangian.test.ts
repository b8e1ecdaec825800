import { test } from "vitest";
import { expectClose, f64Tolerance, golden } from "../../test/support/goldens.ts";
import { constrainedAdvantage, dualAscent, pidMultiplier } from "./lagrangian.ts";

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
