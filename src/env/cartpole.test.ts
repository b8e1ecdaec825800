import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { cartPole } from "./cartpole.ts";
import { environmentByName } from "./registry.ts";

interface Golden {
  cases: {
    env_traces: {
      inputs: { cartpole_s0: number[]; cartpole_actions: number[] };
      outputs: { cartpole: { shape: number[]; data: number[] } };
      tol: { f32_rtol: number; f32_atol: number };
    };
  };
}
const { inputs, outputs, tol } = (JSON.parse(readFileSync("test/fixtures/rl-goldens.json", "utf8")) as Golden)
  .cases.env_traces;

test("CartPole follows Gymnasium's dynamics", () => {
  const environment = environmentByName("CartPole-v1");
  const state = Float32Array.from(inputs.cartpole_s0);
  const out = new Float32Array(2);
  inputs.cartpole_actions.forEach((action, row) => {
    environment.step(state, 0, action, out);
    const expected = outputs.cartpole.data.slice(row * 5, row * 5 + 5);
    for (let i = 0; i < 4; i++) {
      const allowed = tol.f32_atol + tol.f32_rtol * Math.abs(expected[i]!);
      expect(Math.abs(state[i]! - expected[i]!), `row ${row}, field ${i}`).toBeLessThanOrEqual(allowed);
    }
    expect(out[1], `row ${row}, terminated`).toBe(expected[4]);
    expect(out[0]).toBe(1);
  });
  expect(out[1]).toBe(1);
});

test("CartPole starts uniformly within 0.05 of upright", () => {
  const environment = cartPole();
  const state = new Float32Array(8);
  environment.reset(state, 4, Uint32Array.of(0, 0xffffffff, 0x80000000, 0x40000000));
  const expected = [-0.05, 0.05, 0, -0.025];
  expected.forEach((value, i) => expect(state[4 + i]).toBeCloseTo(value, 6));
  expect([...state.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
});

test("an unknown environment is an error that names the known ones", () => {
  expect(() => environmentByName("Acrobot")).toThrow(
    expect.objectContaining({ fix: expect.stringContaining("CartPole-v1") as string }),
  );
});
