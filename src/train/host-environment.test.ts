import { expect, test } from "vitest";
import { sameBits } from "../../test/support/reference-update.ts";
import {
  hostEnvironment,
  SeededUniform,
  type HostBatch,
  type HostInstance,
} from "../env/host-environment.ts";
import { createCpuEngine } from "../rl/cpu-engine.ts";
import type { TrainingState } from "../rl/engine.ts";
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

test("its random numbers are those of xoshiro128++", () => {
  const random = new SeededUniform([1, 2, 3, 4]);
  const words = [641, 1573767, 3222811527, 3517856514, 836907274, 4247214768, 3867114732, 1355841295];
  expect(words.map(() => random.next())).toEqual(words.map((word) => (word >>> 8) / 2 ** 24));
});

test("an episode begins anew where the time limit ends one, and not before", async () => {
  let resets = 0;
  const create = (): HostInstance => ({
    reset: () => [++resets],
    step: () => ({ observation: [0], reward: 0, terminated: false }),
  });
  const { host } = hostEnvironment({ observations: 1, actions: 2, create });
  const batch = (actions: Float32Array | null, truncated: number): HostBatch => ({
    ...{ indices: Int32Array.of(0), actions, truncated: Uint8Array.of(truncated), words: new Uint32Array(4) },
  });
  expect((await host!.run(batch(null, 0))).starts).toEqual(Float32Array.of(1));
  expect((await host!.run(batch(Float32Array.of(1), 0))).starts).toEqual(Float32Array.of(0));
  expect((await host!.run(batch(Float32Array.of(1), 1))).starts).toEqual(Float32Array.of(2));
});

test("an environment of several dimensions is stepped by lists", async () => {
  const taken: unknown[] = [];
  const environment = hostEnvironment({
    observations: 1,
    actions: { low: -1, high: 1, dimensions: 3 },
    steps: 4,
    create: () => ({
      reset: () => [0],
      step: (action) => {
        taken.push(action);
        return { observation: [action[2]!], reward: 1, terminated: false };
      },
    }),
  });
  const algorithm = ppo({ envs: 2, steps: 4, minibatchSize: 8, hidden: [4], totalSteps: 8 });
  const engine = await createCpuEngine({ environment, reward: null, algorithm, seed: 1 });
  await engine.submit();
  expect(taken.length).toBe(8);
  for (const action of taken) {
    expect(action).toHaveLength(3);
    expect((action as number[]).every((x) => x >= -1 && x <= 1)).toBe(true);
  }
  expect(new Set(taken.flat()).size).toBeGreaterThan(20);
});

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

/** A row of doors, of which two are open at a time; the number of the door is the reward. */
class Doors {
  #open: number[] = [];
  #random: () => number = () => 0;

  reset(random: () => number): number[] {
    this.#random = random;
    return this.#shut();
  }

  step(action: number): { observation: number[]; reward: number; terminated: boolean } {
    if (!this.allows(action)) throw new Error(`door ${action} is shut`);
    return { observation: this.#shut(), reward: action, terminated: this.#random() < 0.1 };
  }

  allows(action: number): boolean {
    return this.#open.includes(action);
  }

  save(): unknown {
    return { open: this.#open };
  }

  load(saved: unknown, random: () => number): void {
    this.#open = (saved as { readonly open: number[] }).open;
    this.#random = random;
  }

  #shut(): number[] {
    const first = Math.floor(this.#random() * 5);
    this.#open = [first, (first + 1 + Math.floor(this.#random() * 4)) % 5];
    return [0, 1, 2, 3, 4].map((door) => (this.#open.includes(door) ? 1 : 0));
  }
}

const doors = (create: () => HostInstance & Pick<Doors, "allows"> = () => new Doors()) =>
  hostEnvironment({
    ...{ name: "Doors", observations: 5, actions: 5, steps: 20, create },
    allowed: (it, action) => it.allows(action),
  });

test("a policy takes only the actions that the environment allows, in training and evaluation", async () => {
  const algorithm = ppo({ totalSteps: 16_384, envs: 8, steps: 64, minibatchSize: 128, hidden: [16] });
  const { metrics } = await train({ env: doors(), algorithm, seed: 1 });
  // Of two open doors chance takes 2.0 in the mean, and the higher one is 3.0.
  expect(metrics["update.rewardMean"]).toBeGreaterThan(2.7);
  // About ten steps an episode.
  expect(metrics["evaluation.greedy.mean"]).toBeGreaterThan(0);
});

test("resumed in another realm it goes on to the bit where it can be saved, and begins anew where not", async () => {
  const algorithm = ppo({ totalSteps: 4096, envs: 8, steps: 32, minibatchSize: 64, hidden: [8] });
  const saveless = (): HostInstance & Pick<Doors, "allows"> => {
    const it = new Doors();
    return {
      reset: (random) => it.reset(random),
      step: (action) => it.step(action),
      allows: (action) => it.allows(action),
    };
  };
  const updates = async (
    create: typeof saveless | undefined,
    count: number,
    from?: TrainingState,
  ): Promise<TrainingState> => {
    const engine = await createCpuEngine({ environment: doors(create), reward: null, algorithm, seed: 3 });
    if (from) engine.load(structuredClone(from));
    for (let i = 0; i < count; i++) await engine.submit();
    return engine.save();
  };
  const [whole, half] = [await updates(undefined, 6), await updates(undefined, 3)];
  expect(sameBits(await updates(undefined, 3, half), whole)).toBe(true);
  const plain = await updates(saveless, 3);
  expect(plain.hosts).toBeUndefined();
  const [again, once] = [await updates(saveless, 3, plain), await updates(saveless, 3, plain)];
  expect(sameBits(again, once)).toBe(true);
  expect(sameBits(again, await updates(saveless, 6))).toBe(false);
});

test.each([
  [{}, "observes nothing"],
  [{ actions: undefined }, "has no actions"],
  [{ actions: { low: 1, high: -1 } }, "has no actions"],
  [{ actions: 0 }, "number of actions"],
])("is not made of %o", (wrong, message) => {
  const create = (): HostInstance => new MappedPole();
  const definition =
    Object.keys(wrong).length === 0 ? wrong : { observations: 4, actions: 2, create, ...wrong };
  expect(() => hostEnvironment(definition as never)).toThrow(message);
});

test.each([
  ["NaN in an observation", { reset: () => [1, 2, 3, 4, NaN] }, /^reset\(\) .*the observation's o4 is NaN/],
  ["too few numbers", { reset: () => [1] }, /the observation has 1 numbers, not 5/],
  ["no allowed action", { allows: (): boolean => false }, /^allowed\(\) .*no action is allowed/],
  [
    "an end by another name",
    { allows: (): boolean => true, step: () => ({ observation: [1, 2, 3, 4, 5], reward: 1, done: true }) },
    /^step\(3\) .*`terminated` is undefined/,
  ],
  [
    "a reward that is no number",
    {
      allows: (): boolean => true,
      step: () => ({ observation: [1, 2, 3, 4, 5], reward: true, terminated: true }),
    },
    /^step\(3\) .*the reward is true/,
  ],
  ["a state that JSON loses", { save: () => ({ seen: new Map() }) }, /JSON does not keep seen \(Map\)/],
  ["a number that JSON loses", { save: () => ({ speed: NaN }) }, /JSON does not keep speed \(NaN\)/],
  ["too large a state", { save: () => "x".repeat(70_000) }, /at most 65536 are kept/],
])("names what is wrong: %s", async (_, wrong: object, message) => {
  const { host } = doors(() => Object.assign(new Doors(), wrong));
  const indices = Int32Array.of(0);
  const truncated = new Uint8Array(1);
  const begin: HostBatch = { indices, actions: null, truncated, words: Uint32Array.of(1, 2, 3, 4) };
  const work = async () => {
    await host!.run(begin);
    await host!.save(indices);
    await host!.run({ ...begin, actions: Float32Array.of(3) });
  };
  const named = expect.stringMatching(message) as string;
  await expect(work()).rejects.toMatchObject({ code: "env/host", message: named });
});
