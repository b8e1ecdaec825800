import { test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { computeAdvantages } from "./gae.ts";

/** In CleanRL's layout `dones` belong to the observation before a step: a step ends an episode where the next is done. */
function returnsOf(name: string, lambda: number, values: Float32Array): Float32Array {
  const g = golden(name);
  const returns = new Float32Array(24);
  computeAdvantages(
    { steps: 8, envs: 3, gamma: g.params["gamma"] as number, lambda },
    {
      values,
      rewards: Float32Array.from(g.input("rewards")),
      ended: Uint8Array.from([...g.input("dones").slice(3), ...g.input("next_done")]),
      finalValues: new Float32Array(24),
      lastValues: Float32Array.from(g.input("next_value")),
    },
    new Float32Array(24),
    returns,
  );
  return returns;
}

test("gae_cleanrl and reward_to_go, in f32 as the CPU engine computes them", () => {
  const cleanrl = golden("gae_cleanrl");
  const values = Float32Array.from(cleanrl.input("values"));
  expectClose(returnsOf("gae_cleanrl", 0.95, values), cleanrl.output("returns"), cleanrl.f32);
  // Without a critic and with lambda 1 the returns are the rewards to go.
  const toGo = golden("reward_to_go");
  expectClose(returnsOf("reward_to_go", 1, new Float32Array(24)), toGo.output("returns"), toGo.f32);
});
