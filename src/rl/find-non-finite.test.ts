import { expect, test } from "vitest";
import { defineEnv } from "../env/define-env.ts";
import { createCpuEngine } from "./cpu-engine.ts";
import { describeNonFinite, findNonFinite, fixNonFinite } from "./find-non-finite.ts";
import { ppo } from "./ppo.ts";

test("names the environment, the step and what of it is no number", async () => {
  const environment = defineEnv({
    state: ["x"],
    actions: 2,
    reset: (random) => ({ x: random.uniform(0, 0.5) }),
    step: (s, _a, random) => ({ x: s.x + 0.02 + 0 * random.uniform() }),
    observe: (s) => [Math.sqrt(0.6 - s.x)],
    reward: () => 1,
  });
  const algorithm = ppo({ envs: 4, steps: 32, minibatchSize: 128, totalSteps: 128, hidden: [4] });
  for (const seed of [1, 2, 3, 4]) {
    const request = { environment, reward: null, algorithm, seed };
    const engine = await createCpuEngine(request);
    const state = await engine.save();
    const size = environment.stateFields.length;
    const starts = [0, 1, 2, 3].map((n) => state.environmentState[n * size]!);
    const place = (await findNonFinite(request, state, 1))!;
    expect(place).toMatchObject({ what: "observation", value: NaN });
    expect(place.environment).toBe(starts.indexOf(Math.max(...starts)));
    expect([0, 1]).toContain(place.action);
    expect(place.before["x"]).toBeLessThan(0.6);
    expect(place.after["x"]).toBeGreaterThan(0.6);
    expect(describeNonFinite(place)).toMatch(
      /^The first was an observation of NaN: environment \d, action [01] in the state x 0\.\d+; then x 0\.6\d*\.$/,
    );
    expect(fixNonFinite(place)).toMatch(/in `observe`\.$/);
  }
});
