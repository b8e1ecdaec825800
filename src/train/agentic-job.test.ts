import { describe, expect, test } from "vitest";
import { defineReward } from "../reward/define-reward.ts";
import { filteredCloning, grpo } from "../rl/grpo.ts";
import { ppo } from "../rl/ppo.ts";
import { evaluateInNode } from "../runner/evaluate-in-node.ts";
import { scoreItem } from "../runner/score-item.ts";
import { agenticJob, type AgenticJobOptions } from "./agentic-job.ts";
import { checkAgenticJob } from "./check-agentic-job.ts";
import { characterPolicy } from "./character-policy.ts";
import { defineAgent } from "./define-agent.ts";
import { jobResources } from "./job-resources.ts";

const mark = "!";
const shout = (text: string): string => text.toUpperCase() + mark;
const options = {
  agent: defineAgent("shout", (task: string) => shout(task), { values: { mark, shout } }),
  reward: defineReward({
    long: { weight: 0.5, score: (_task, result: string) => result.length },
    same: {
      score(task, result) {
        return task === result;
      },
    },
  }),
  tasks: { train: ["a", { text: "b" }], heldOut: ["c"] },
  policy: characterPolicy({ alphabet: "abc", maxLength: 32 }),
} satisfies AgenticJobOptions;

const job = (change: object = {}) => agenticJob({ ...options, ...change });
const error = (change: object): string => {
  try {
    job(change);
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "train/invalid" });
    return (thrown as Error).message;
  }
  throw new Error("no error");
};

describe("a job for an agent", () => {
  test("is kept with all of its agent's and its reward's text, so that a changed one is a version of its own", () => {
    const { agent, reward } = jobResources(job());
    expect(agent).toMatchObject({
      role: "agent",
      source: expect.stringContaining("=> shout(task)") as string,
    });
    expect(agent).toMatchObject({ source: expect.stringContaining("toUpperCase") as string });
    expect(reward).toMatchObject({
      role: "reward",
      source: expect.stringContaining("task === result") as string,
    });
  });

  test("holds code as text, survives a clone, and is complete", async () => {
    const made = structuredClone(job());
    expect(made).toMatchObject({ kind: "agentic", name: "shout", seed: 1, engine: "auto", timeout: 10_000 });
    expect(made.algorithm).toEqual(grpo());
    expect(made.policy).toEqual({
      alphabet: "abc",
      width: 64,
      layers: 2,
      heads: 4,
      feedForward: 128,
      maxLength: 32,
    });
    expect(evaluateInNode<(task: string) => string>(made.agent, {})("a")).toBe("A!");
    const item = { task: "a", result: "a", transcript: [] };
    expect(await scoreItem(evaluateInNode(made.reward, {}), item)).toEqual({
      components: { long: 1, same: 1 },
      weights: { long: 0.5, same: 1 },
    });
  });

  test("agents and rewards stay callable", () => {
    expect(options.agent("a")).toBe("A!");
    expect(options.reward.long.score("", "abc")).toBe(3);
  });

  test("says what is wrong with it", () => {
    expect(error({ agent: () => 1 })).toContain("`agent` is not an agent");
    expect(error({ reward: defineReward.step("(s) => s.x") })).toContain("single steps");
    expect(error({ reward: () => 1 })).toContain("not a reward");
    expect(error({ policy: { alphabet: "abc" } })).toContain("`policy`");
    expect(error({ tasks: { train: [], heldOut: ["a"] } })).toContain("tasks.train");
    expect(error({ tasks: undefined })).toContain("tasks.train");
    expect(error({ tasks: { train: [{ n: 1, m: 2 }], heldOut: [{ n: 1, m: 2 }] } })).toContain(
      "also trained on",
    );
    expect(error({ algorithm: ppo() })).toContain("does not train agents");
    expect(error({ algorithm: grpo({ maxTokens: 32 }) })).toContain("no room for a prompt");
    expect(error({ algorithm: grpo({ groups: 10_000 }) })).toContain("too large");
    expect(error({ seed: -1 })).toContain("seed");
    expect(error({ engine: "cuda" })).toContain("engine");
    expect(error({ timeout: Infinity })).toContain("timeout");
    expect(error({ name: "" })).toContain("name");
    expect(error({ timeOut: 10 })).toContain('no option "timeOut" for an agent');
    expect(job({ algorithm: filteredCloning() }).algorithm.kind).toBe("filtered-cloning");
    // Not JSON: not compared, and never mistaken for one another.
    const maps = { train: [new Map([[1, 2]])], heldOut: [new Map([[3, 4]])] };
    expect(job({ tasks: maps }).tasks).toEqual(maps);
  });

  test("is refused where it arrives as well", () => {
    const made = job();
    expect(() => {
      checkAgenticJob({ ...made, policy: { ...made.policy, width: 2 ** 20 } });
    }).toThrow(/width/);
    expect(() => {
      checkAgenticJob({ ...made, agent: { ...made.agent, values: { big: "x".repeat(9_000_000) } } });
    }).toThrow(/too large/);
  });
});

describe("what travels with a function", () => {
  test("is given by name; a missing one is an error", () => {
    expect(() => defineAgent("a", () => shout("a"))).toThrow(
      expect.objectContaining({
        code: "train/unbound",
        message: expect.stringContaining("`shout`") as string,
      }),
    );
    expect(() => defineAgent("a", () => shout("a"), { values: { shout } })).toThrow(/`mark`/);
    expect(() => defineReward(Math.max as never)).toThrow(/text of its own/);
    expect(() => defineReward({})).toThrow(expect.objectContaining({ code: "reward/invalid" }));
  });
});

describe("a character policy", () => {
  test.each([
    [{ alphabet: "" }, /alphabet/],
    [{ alphabet: "aa" }, /twice/],
    [{ alphabet: "ab", widht: 32 }, /characterPolicy\(\) has no option "widht"/],
    [{ alphabet: "ab", width: 66 }, /heads/],
    [{ alphabet: "ab", width: 1024, layers: 16 }, /parameters/],
    [{ alphabet: "ab", warmStart: { demonstrations: [] } }, /no demonstrations/],
    [{ alphabet: "ab", warmStart: { demonstrations: [{ prompt: "a", answer: "c" }] } }, /"c"/],
    [
      { alphabet: "ab", maxLength: 4, warmStart: { demonstrations: [{ prompt: "a", answer: "b" }] } },
      /longer/,
    ],
  ])("%o is refused", (wrong, message) => {
    expect(() => characterPolicy(wrong)).toThrow(message);
  });
});
