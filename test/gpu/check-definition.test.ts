import { describe, expect, test } from "vitest";
import { compileStepReward } from "../../src/compile/compile.ts";
import { checkEnvironmentOnGpu } from "../../src/env/check-environment-on-gpu.ts";
import { defineEnv } from "../../src/env/define-env.ts";
import { checkDefinition, checkPartsOnGpu, type Definition } from "../../src/train/check-definition.ts";
import { gpu, withFault } from "./support.ts";

const drifting = defineEnv({
  name: "Drifting",
  state: ["x", "wind", "places[3]"],
  actions: 3,
  steps: 40,
  reset: (random, s) => {
    s.x = random.uniform(-1, 1);
    s.places[1] = 2;
  },
  step: (s, a, random) => ({ x: s.x + 0.1 * (a - 1) + s.wind, wind: random.uniform(-0.05, 0.05) }),
  observe: (s) => [s.x, Math.sin(s.x), s.places[1]!],
  reward: { near: (_s, _a, next) => 1 - Math.abs(next.x), still: (_s, a) => (a === 1 ? 0.5 : 0) },
  done: (s) => Math.abs(s.x) > 2,
  allowed: (s, a) => a !== 2 || s.x < 1.5,
});
const asDefined: Definition = { kind: "environment", environment: drifting.reference! };
const source = {
  source: "(s, a, next) => 1 - weight * Math.abs(next.x)",
  constants: { weight: 0.25 },
  line: 1,
};
const reward = {
  kind: "reward",
  source,
  stateFields: drifting.stateFields,
  actionCount: 3,
  actionSize: 1,
} as const satisfies Definition;

describe.skipIf(!gpu)("what a person defined, run on the GPU where it is defined", () => {
  test("agrees with the twin", async () => {
    for (const definition of [asDefined, reward]) {
      const verdict = await checkDefinition(gpu, definition);
      expect(verdict).toMatchObject({ kind: "agrees", adapter: gpu!.adapter });
    }
    expect(await checkDefinition(null, reward)).toEqual({ kind: "absent" });
  });

  test.each([
    ["step", /env_next[^]*?\n}/, " + ", " - ", /`x` after the step is -?[\d.e-]+ on .+ and .+ on the CPU/],
    ["start state", /env_initial[^]*?\n}/, "= 2.0", "= 3.0", /`places\[1\]` in a start state is 3 on/],
    ["reward", /env_reward0[^]*?\n}/, "abs(", "(", /the reward is .* on the CPU \(s: x/],
    ["end", /env_done[^]*?\n}/, "> 2.0", "< 2.0", /`done` is/],
    ["observation", /env_observation[^]*?\n}/, "env_math_sin", "abs", /number 1 of the observation/],
    ["mask", /env_allowed[^]*?\n}/, "1.5", "-1.5", /`allowed` of the action 2 is 0 on .* and 1 on the CPU/],
  ])("a fault in the WGSL of its %s is named", async (_part, inside, right, wrong, message) => {
    const wgsl = drifting.wgsl.replace(inside, (text) => text.replace(right, wrong));
    expect(wgsl).not.toBe(drifting.wgsl);
    await expect(
      checkEnvironmentOnGpu(gpu!, { ...drifting, wgsl }, { states: 256, seed: 1 }),
    ).rejects.toMatchObject({
      code: "compile/gpu-mismatch",
      message: expect.stringMatching(message) as string,
      fix: expect.stringContaining('engine: "cpu"') as string,
    });
  });

  test("a fault of the emitter is a verdict, refuses training, and is found once", async () => {
    const other = { ...reward, source: { ...source, constants: { weight: 0.75 } } };
    const compiled = compileStepReward(other.source.source, { ...other.source, ...other });
    const fault = { shader: "check/reward", find: "1.0 - ", replace: "1.0 + " };
    const found = await withFault(fault, () => checkDefinition(gpu, other));
    expect(found).toMatchObject({
      kind: "failed",
      error: { code: "compile/gpu-mismatch", message: expect.stringContaining("s: x") as string },
    });
    const submits = gpu!.counters.submits;
    expect(await checkDefinition(gpu, other)).toEqual(found);
    await expect(checkPartsOnGpu(gpu!, { environment: drifting, reward: compiled })).rejects.toMatchObject({
      code: "compile/gpu-mismatch",
    });
    // The environment alone, where it was not checked before.
    expect(gpu!.counters.submits - submits).toBeLessThan(2);
  });

  test("gives back what it took", async () => {
    const { alive, bytes } = gpu!.counters;
    const other = { ...reward, source: { ...source, constants: { weight: 0.125 } } };
    expect(await checkDefinition(gpu, other)).toMatchObject({ kind: "agrees" });
    expect(gpu!.counters).toMatchObject({ alive, bytes });
  });
});
