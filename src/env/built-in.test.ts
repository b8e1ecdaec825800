import { describe, expect, test } from "vitest";
import { golden } from "../../test/support/goldens.ts";
import { checkWords as words, playAtRandom, type PlayedStep } from "../../test/support/play.ts";
import { environmentByName, environmentNames } from "./registry.ts";

const trace = golden("env_traces");

describe("golden traces of Gymnasium", () => {
  test.each([
    ["Acrobot-v1", "acrobot", "terminated"],
    ["MountainCar-v0", "mountaincar", "terminated"],
    ["Pendulum-v1", "pendulum", "reward"],
  ] as const)("%s", (name, key, last) => {
    const environment = environmentByName(name);
    const size = environment.stateFields.length;
    const state = Float32Array.from(trace.input(`${key}_s0`));
    const expected = trace.output(key);
    const out = new Float32Array(2);
    trace.input(`${key}_actions`).forEach((action, row) => {
      const held =
        environment.actions?.kind === "continuous"
          ? Math.min(Math.max(action, environment.actions.low), environment.actions.high)
          : action;
      environment.step(state, 0, held, out);
      const actual = [...state, last === "reward" ? out[0]! : out[1]!];
      actual.forEach((value, i) => {
        const wanted = expected[row * (size + 1) + i]!;
        expect(Math.abs(value - wanted), `row ${row}, number ${i}`).toBeLessThanOrEqual(
          1e-5 + 1e-4 * Math.abs(wanted),
        );
      });
    });
  });
});

describe.each(environmentNames)("%s", (name) => {
  const environment = environmentByName(name);

  test("is finite, observes and draws whatever happens", () => {
    let steps = 0;
    const observation = new Float32Array(environment.observationSize);
    playAtRandom(environment, 20, 300, ({ next, reward }) => {
      steps++;
      environment.observe(next, 0, observation, 0);
      expect([...next, ...observation, reward].every(Number.isFinite)).toBe(true);
      if (steps > 40) return;
      const { view, shapes } = environment.scene(next, 0);
      expect(shapes.length).toBeGreaterThan(0);
      expect(view[2]).toBeGreaterThan(view[0]);
    });
    expect(steps).toBeGreaterThanOrEqual(20);
  });

  test("starts and goes on the same for the same random words", () => {
    const run = (): number[] => {
      const seen: number[] = [];
      playAtRandom(environment, 3, 300, ({ next, reward }) => seen.push(...next, reward));
      return seen;
    };
    expect(run()).toEqual(run());
  });
});

describe("tasks as they are known", () => {
  const share = (name: string, test: (step: PlayedStep) => boolean): number => {
    let hits = 0;
    let steps = 0;
    playAtRandom(environmentByName(name), 400, 300, (step) => {
      steps++;
      if (test(step)) hits++;
    });
    return hits / steps;
  };

  test("FrozenLake slips to either side a third of the time, never straight back", () => {
    const lake = environmentByName("FrozenLake-v1");
    const outcomes = new Map<number, number>();
    for (let i = 0; i < 3000; i++) {
      const state = new Float32Array(lake.stateFields.length);
      lake.reset(state, 0, words(i));
      expect(state[0]).toBe(0);
      state[0] = 9;
      lake.step(state, 0, 2, new Float32Array(2));
      outcomes.set(state[0]!, (outcomes.get(state[0]!) ?? 0) + 1);
    }
    // From cell 9 (row 2, column 1): right is 10, up 5, down 13; left, 8, never.
    expect([...outcomes.keys()].sort((a, b) => a - b)).toEqual([5, 10, 13]);
    for (const count of outcomes.values()) expect(Math.abs(count - 1000)).toBeLessThan(100);
  });

  test("FrozenLake's best policy reaches the goal in 0.74 of its episodes", () => {
    const lake = environmentByName("FrozenLake-v1");
    // Value iteration's policy on Gymnasium's map.
    const policy = [0, 3, 3, 3, 0, 0, 0, 0, 3, 1, 0, 0, 0, 2, 1, 0];
    let reached = 0;
    const out = new Float32Array(2);
    for (let episode = 0; episode < 1500; episode++) {
      const state = new Float32Array(lake.stateFields.length);
      lake.reset(state, 0, words(5000 + episode));
      for (let t = 0; t < 100; t++) {
        lake.step(state, 0, policy[state[0]!]!, out);
        reached += out[0]!;
        if (out[1] !== 0) break;
      }
    }
    expect(Math.abs(reached / 1500 - 0.74)).toBeLessThan(0.04);
  });

  test("Catch lasts nine steps, and staying under the ball catches it", () => {
    const environment = environmentByName("Catch");
    const out = new Float32Array(2);
    for (let episode = 0; episode < 40; episode++) {
      const state = new Float32Array(3);
      environment.reset(state, 0, words(episode));
      for (let t = 1; t <= 9; t++) {
        environment.step(state, 0, 1 + Math.sign(state[0]! - state[2]!), out);
        expect(out[1]).toBe(t === 9 ? 1 : 0);
      }
      expect(out[0]).toBe(1);
    }
  });

  test("the bandit's arms pay their means", () => {
    const bandit = environmentByName("Bandit");
    const out = new Float32Array(2);
    for (const [arm, mean] of [
      [2, 1.5],
      [5, -1.5],
    ] as const) {
      let sum = 0;
      let squares = 0;
      for (let i = 0; i < 4000; i++) {
        const state = new Float32Array(bandit.stateFields.length);
        bandit.reset(state, 0, words(i));
        bandit.step(state, 0, arm, out);
        sum += out[0]!;
        squares += (out[0]! - mean) ** 2;
        expect(out[1]).toBe(1);
      }
      expect(Math.abs(sum / 4000 - mean)).toBeLessThan(0.06);
      expect(Math.abs(squares / 4000 - 1)).toBeLessThan(0.1);
    }
  });

  test("Snake grows by what it eats, and its body is as many cells as it is long", () => {
    const { stateFields } = environmentByName("Snake-6x6");
    const [length, food, dead, board] = ["length", "food", "dead", "board[0]"].map((field) =>
      stateFields.indexOf(field),
    );
    const eaten = share("Snake-6x6", ({ next, reward }) => {
      if (next[dead!] === 1) return false;
      const body = next.subarray(board!, board! + 36);
      expect(body.filter((left) => left > 0)).toHaveLength(next[length!]!);
      expect(body[next[food!]!]).toBe(0);
      return reward === 1;
    });
    expect(eaten).toBeGreaterThan(0.005);
  });
});
