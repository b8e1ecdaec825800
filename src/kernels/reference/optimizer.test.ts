import { expect, test } from "vitest";
import { expectClose, golden } from "../../../test/support/goldens.ts";
import { importMutated } from "../../../test/support/mutation.ts";
import * as reference from "./optimizer.ts";

function check(module: typeof reference, name: "adam" | "adamw"): void {
  const g = golden(name);
  const parameters = Float64Array.from(g.input("p0"));
  const first = new Float64Array(parameters.length);
  const second = new Float64Array(parameters.length);
  const weightDecay = (g.params["weight_decay"] as number | undefined) ?? 0;
  const options = {
    learningRate: g.params["lr"] as number,
    epsilon: g.params["eps"] as number,
    weightDecay,
  };
  const history: number[] = [];
  for (let step = 1; step <= 5; step++) {
    const gradient = g.input("grads").slice((step - 1) * 5, step * 5);
    module.adamW(parameters, gradient, first, second, step, options);
    history.push(...parameters);
  }
  expectClose(history, g.output("params"), undefined, name);
}

test("adam", () => {
  check(reference, "adam");
});

test("adamw", () => {
  check(reference, "adamw");
});

test.each([
  ["the first moment's bias correction", "1 - beta1 ** step", "1 + beta1 ** step"],
  ["the second moment's bias correction", "1 - beta2 ** step", "1 + beta2 ** step"],
  ["the decay's sign", "(1 - learningRate * weightDecay)", "(1 + learningRate * weightDecay)"],
])("a seeded fault is caught: %s", async (_, find, replace) => {
  const faulty = await importMutated<typeof reference>(import.meta.url, "./optimizer.ts", { find, replace });
  expect(() => {
    check(faulty, "adamw");
  }).toThrow(/expected/);
});

test.each([
  ["rmsprop_torch", false, 0],
  ["rmsprop_tf_like", true, 1],
] as const)("%s", (name, insideRoot, start) => {
  const g = golden(name);
  const parameters = Float64Array.from(g.input("p0"));
  const squares = new Float64Array(parameters.length).fill(start);
  const history: number[] = [];
  for (let step = 1; step <= 5; step++) {
    reference.rmsProp(parameters, g.input("grads").slice((step - 1) * 5, step * 5), squares, {
      learningRate: g.params["lr"] as number,
      alpha: g.params["alpha"] as number,
      epsilon: g.params["eps"] as number,
      insideRoot,
    });
    history.push(...parameters);
  }
  expectClose(history, g.output("params"), undefined, name);
});
