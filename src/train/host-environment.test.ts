import { expect, test } from "vitest";
import { hostEnvironment, type HostInstance } from "../env/host-environment.ts";
import { ppo } from "../rl/ppo.ts";
import { train } from "./train.ts";

/** CartPole as nobody would compile it: a class, and a Map of named numbers. */
class MappedPole implements HostInstance {
  readonly #state = new Map<string, number>();
  #broken = Infinity;

  constructor(broken = Infinity) {
    this.#broken = broken;
  }

  reset(random: () => number): number[] {
    for (const name of ["x", "xDot", "theta", "thetaDot"]) this.#state.set(name, (random() - 0.5) / 10);
    return [...this.#state.values()];
  }

  step(action: number): { observation: number[]; reward: number; terminated: boolean } {
    const at = (name: string): number => this.#state.get(name)!;
    if (Math.abs(at("theta")) > this.#broken) throw new RangeError("the pole is too far out");
    const force = action === 1 ? 10 : -10;
    const [sin, cos] = [Math.sin(at("theta")), Math.cos(at("theta"))];
    const push = (force + 0.05 * at("thetaDot") ** 2 * sin) / 1.1;
    const turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos ** 2) / 1.1));
    const next = {
      x: at("x") + 0.02 * at("xDot"),
      xDot: at("xDot") + 0.02 * (push - (0.05 * turn * cos) / 1.1),
      theta: at("theta") + 0.02 * at("thetaDot"),
      thetaDot: at("thetaDot") + 0.02 * turn,
    };
    for (const [name, value] of Object.entries(next)) this.#state.set(name, value);
    const terminated = Math.abs(next.x) > 2.4 || Math.abs(next.theta) > 0.2094;
    return { observation: [...this.#state.values()], reward: 1, terminated };
  }
}

const pole = (broken?: number) =>
  hostEnvironment({
    name: "Mapped pole",
    observations: ["x", "xDot", "theta", "thetaDot"],
    actions: 2,
    steps: 500,
    create: () => new MappedPole(broken),
  });

test("PPO learns in an environment of classes and maps, and repeats to the bit", async () => {
  const algorithm = ppo({ totalSteps: 20_480 });
  const job = { env: pole(), algorithm, seed: 1 };
  const [first, second] = [await train(job), await train(job)];
  expect(first).toMatchObject({ status: "succeeded", engine: "cpu" });
  const last = "rollout.return.last100";
  expect(first.metrics[last]).toBeGreaterThan(100);
  expect(first.metrics["evaluation.greedy.mean"]).toBeGreaterThan(150);
  const numbers = ({ metrics }: typeof first): unknown => ({ ...metrics, "update.stepsPerSecond": 0 });
  expect(numbers(second)).toEqual(numbers(first));
}, 120_000);

test("an environment that throws ends the run, and is named with its number, step and observation", async () => {
  const algorithm = ppo({ totalSteps: 2048 });
  await expect(train({ env: pole(0.1), algorithm })).rejects.toMatchObject({
    code: "env/host",
    message: expect.stringMatching(
      /^step\([01]\) of environment \d+ of "Mapped pole" failed, step \d+ of its episode, after observing x .*theta -?0\.1.* RangeError: the pole is too far out\.$/,
    ) as string,
  });
});
