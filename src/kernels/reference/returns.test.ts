import { describe, expect, test } from "vitest";
import { expectClose, golden, type GoldenCase } from "../../../test/support/goldens.ts";
import { importMutated } from "../../../test/support/mutation.ts";
import * as reference from "./gae.ts";
import { explainedVariance } from "./statistics.ts";

function checkDones(module: typeof reference, name: string, lambda: number, output: string): void {
  const { advantages, returns } = fromDones(module, golden(name), lambda);
  expectClose(advantages, golden(name).output(output), undefined, output);
  if (name === "gae_cleanrl") expectClose(returns, golden(name).output("returns"));
}

function fromDones(module: typeof reference, g: GoldenCase, lambda: number): reference.Advantages {
  const shape = { steps: 8, envs: 3, gamma: g.params["gamma"] as number, lambda };
  return module.gaeFromDones(
    shape,
    g.input("rewards"),
    g.input("values"),
    g.input("dones"),
    g.input("next_value"),
    g.input("next_done"),
  );
}

function checkFiveTuple(module: typeof reference): void {
  const g = golden("gae_terminated_truncated");
  const { advantages, returns } = module.gae(
    { steps: 8, envs: 3, gamma: g.params["gamma"] as number, lambda: g.params["lambda"] as number },
    g.input("rewards"),
    g.input("values"),
    g.input("next_values"),
    g.input("terminated"),
    g.input("truncated"),
  );
  expectClose(advantages, g.output("advantages"));
  expectClose(returns, g.output("returns"));
}

describe("GAE", () => {
  test("gae_cleanrl", () => checkDones(reference, "gae_cleanrl", 0.95, "advantages"));

  test("gae_limits", () => {
    checkDones(reference, "gae_limits", 0, "adv_lambda0");
    checkDones(reference, "gae_limits", 1, "adv_lambda1");
    const { returns } = fromDones(reference, golden("gae_limits"), 1);
    expectClose(returns, golden("gae_limits").output("returns_lambda1"));
  });

  test("reward_to_go: returns are GAE with lambda 1 and without a critic", () => {
    const g = golden("reward_to_go");
    const gamma = g.params["gamma"] as number;
    const { returns } = reference.gaeFromDones(
      { steps: 8, envs: 3, gamma, lambda: 1 },
      g.input("rewards"),
      new Float64Array(24),
      g.input("dones"),
      g.input("next_value"),
      g.input("next_done"),
    );
    expectClose(returns, g.output("returns"));
  });

  test("gae_terminated_truncated", () => checkFiveTuple(reference));

  test.each([
    ["a terminal state bootstraps", "(1 - terminated[i]!)", "(1 + terminated[i]!)"],
    ["credit crosses the end of an episode", "ended ? 0 :", "ended && false ? 0 :"],
    ["truncation does not end the sum", "|| truncated[i]! !== 0", ""],
  ])("a seeded fault is caught: %s", async (_, find, replace) => {
    const faulty = await importMutated<typeof reference>(import.meta.url, "./gae.ts", { find, replace });
    expect(() => {
      checkFiveTuple(faulty);
    }).toThrow(/expected/);
  });

  test("a seeded fault is caught: the done mask has the wrong sign", async () => {
    const faulty = await importMutated<typeof reference>(import.meta.url, "./gae.ts", {
      find: "const continues = 1 - (",
      replace: "const continues = 1 + (",
    });
    expect(() => {
      checkDones(faulty, "gae_cleanrl", 0.95, "advantages");
    }).toThrow(/expected/);
  });
});

test("explained_variance", () => {
  const g = golden("explained_variance");
  expectClose(explainedVariance(g.input("y_true"), g.input("y_pred")), g.scalar("ev"));
});
