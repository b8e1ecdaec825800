import { expect, test } from "vitest";
import type { Definition, GpuVerdict } from "../train/check-definition.ts";
import { createInProcessKernel } from "./in-process-kernel.ts";
import { createNotebookSession } from "./session.ts";

const text = `// fulgurite: 1
// %% world
export const limit = 2;
export const world = defineEnv({
  state: ["x"],
  actions: 2,
  reset: () => ({ x: 0 }),
  step: (s, a) => ({ x: s.x + a - 0.5 }),
  reward: (s, a, next) => -Math.abs(next.x),
  done: (s) => s.x > limit,
});
// %% judged
export const pole = cartPole();
export const tilt = defineReward.step((s, a, next) => 1 - limit * next.x, { env: world });
export const lost = defineLoss((row) => -row.advantage * row.logProbability);
// %% steered
console.log(lost !== tilt); // makes this cell the last
export const plane = defineEnv({
  state: ["x", "y"],
  actions: { kind: "continuous", low: -1, high: 1, dimensions: 2 },
  reset: () => ({ x: 0, y: 0 }),
  step: (s, a) => ({ x: s.x + a[0], y: s.y + a[1] }),
  reward: (s, a, next) => -Math.abs(next.x),
  done: (s) => s.x > 9,
});
export const effort = defineReward.step((s, a) => -a[0] * a[0] - a[1] * a[1], { env: plane });
`;

test("what cells define is checked where a GPU is lent, without a cell's waiting for it", async () => {
  const asked: Definition[] = [];
  const gates: (() => void)[] = [];
  const verdicts: GpuVerdict[] = [
    { kind: "agrees", adapter: "lent", checked: 256, largestDifference: 0 },
    {
      kind: "failed",
      error: { code: "compile/gpu-mismatch", message: "It differs.", fix: "Do.", line: null, column: null },
    },
    { kind: "absent" },
    { kind: "absent" },
    { kind: "absent" },
  ];
  const session = createNotebookSession({
    id: "test",
    text,
    editDelay: 0,
    createKernel: createInProcessKernel,
    services: {
      train: () => Promise.reject(new Error("nothing is trained here")),
      check: async (definition) => {
        asked.push(definition);
        await new Promise<void>((resolve) => gates.push(resolve));
        return verdicts[asked.length - 1]!;
      },
    },
  });
  const outputs = (id: string) => session.cells.find((cell) => cell.id === id)!.outputs;
  try {
    await session.runEager();
    expect(outputs("world")).toEqual([
      { view: "environment", name: expect.stringContaining('"limit":2') as string },
    ]);
    // One after the other: the second is asked once the first is answered.
    for (let n = 1; n <= verdicts.length; n++) {
      await expect.poll(() => gates.length).toBe(n);
      gates[n - 1]!();
    }
    await session.checked();
    expect(asked.map(({ kind }) => kind)).toEqual(["environment", "reward", "loss", "environment", "reward"]);
    expect(asked[1]).toMatchObject({
      source: { constants: { limit: 2 } },
      stateFields: ["x"],
      actionCount: 2,
      actionSize: 1,
    });
    expect(asked[4]).toMatchObject({ stateFields: ["x", "y"], actionSize: 2 });
    expect(outputs("world")[0]).toMatchObject({ view: "environment", gpu: verdicts[0] });
    expect(outputs("judged")).toMatchObject([
      { view: "environment", name: "CartPole-v1" },
      { view: "reward", gpu: verdicts[1] },
      { view: "loss", gpu: verdicts[2], checkedRows: expect.any(Number) as number },
    ]);
    expect(outputs("judged")[0]).not.toHaveProperty("gpu");
  } finally {
    session.dispose();
  }
});
