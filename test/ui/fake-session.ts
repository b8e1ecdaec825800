import type { CellState, CellView, NotebookSession, Output } from "../../src/notebook/session-types.ts";
import { demoJob, type FakeTrainer } from "./fake-trainer.ts";

const cell = (
  id: string,
  kind: CellView["kind"],
  source: string,
  more: Partial<CellView> = {},
): CellView => ({
  id,
  kind,
  lazy: false,
  fold: false,
  source,
  line: 1,
  state: { kind: "idle" },
  outputs: [],
  defines: [],
  uses: [],
  ...more,
});

const wgsl = `fn step_reward(s: array<f32, 4>, a: f32, next: array<f32, 4>) -> f32 {
  return (1.0 - (0.1 * abs(next[0])));
}`;

const outputs: Readonly<Record<string, readonly Output[]>> = {
  pole: [{ view: "environment", name: "CartPole-v1" }],
  reward: [{ view: "reward", name: "reward", wgsl, checkedStates: 4096, largestDifference: 0 }],
  settings: [
    { view: "text", stream: "out", text: "three things to look at" },
    {
      view: "value",
      name: "settings",
      value: {
        kind: "object",
        type: "Object",
        more: 0,
        entries: [
          ["envs", { kind: "primitive", type: "number", text: "8" }],
          ["name", { kind: "primitive", type: "string", text: '"CartPole-v1"' }],
          [
            "hidden",
            {
              kind: "object",
              type: "Array(2)",
              more: 0,
              entries: [
                ["0", { kind: "primitive", type: "number", text: "64" }],
                ["1", { kind: "primitive", type: "number", text: "64" }],
              ],
            },
          ],
        ],
      },
    },
  ],
};

export const demoCells = (): CellView[] => [
  cell(
    "intro",
    "md",
    `# Learn to balance a pole

A pole stands on a cart. Every fiftieth of a second the **policy** pushes the cart left or right. At first it
pushes at random and the pole falls within a second; a few thousand pushes later it stays up.

Press *Run* on the last cell. Everything happens in this tab, see [how it works](#how-it-works).`,
  ),
  cell("pole", "code", `export const pole = cartPole();`),
  cell(
    "rewardtext",
    "md",
    `## The reward

What the policy is paid for each step: \`1\` for a pole that still stands, less the further the cart is from the
middle. Change it, and train again.`,
  ),
  cell(
    "reward",
    "code",
    `// compiled to WGSL, and checked against itself on the CPU
export const reward = defineReward.step((s, a, next) => 1 - 0.1 * Math.abs(next.x));`,
  ),
  cell("settings", "code", `const settings: Settings = { envs: 8, name: "CartPole-v1", hidden: [64, 64] };`),
  cell("training", "md", `## Training\n\nPPO, with the settings that are known to work for this task.`),
  cell(
    "train",
    "code",
    `export const run = await train({
  env: pole,
  reward,
  algorithm: ppo({ envs: 8, steps: 32, totalSteps: 80_000 }),
});`,
    { lazy: true },
  ),
];

/** A session without a kernel: eager cells are done at once, the training cell starts a run of the fake trainer. */
export class FakeSession extends EventTarget implements NotebookSession {
  readonly id = "gallery";
  readonly title = "Learn to balance a pole";
  cells: readonly CellView[];
  readonly edits: string[] = [];
  readonly canUndo = false;
  readonly canRedo = false;
  #trainer: FakeTrainer;
  #seed = 1;

  constructor(trainer: FakeTrainer, cells = demoCells()) {
    super();
    this.#trainer = trainer;
    this.cells = cells;
  }

  get text(): string {
    return this.cells.map(({ source }) => source).join("\n");
  }

  set(id: string, change: Partial<CellView>): void {
    this.cells = this.cells.map((view) => (view.id === id ? { ...view, ...change } : view));
    this.dispatchEvent(new Event("change"));
  }

  state(id: string, state: CellState): void {
    this.set(id, { state });
  }

  async run(id: string): Promise<void> {
    this.state(id, { kind: "running", since: 0 });
    if (id !== "train") {
      this.set(id, { state: { kind: "done" }, outputs: outputs[id] ?? [] });
      return;
    }
    const reply = await this.#trainer.start(demoJob(this.#seed++), { cell: id });
    if (!reply.ok) return;
    this.set(id, { outputs: [{ view: "run", runId: reply.value }] });
    await this.#trainer.stored.get(reply.value)?.ended.promise;
    this.state(id, { kind: "done" });
  }

  async runEager(): Promise<void> {
    for (const { id, kind, lazy } of this.cells) if (kind !== "md" && !lazy) await this.run(id);
  }

  stop(id: string): Promise<void> {
    this.state(id, { kind: "cancelled" });
    return Promise.resolve();
  }

  edit(id: string, source: string): void {
    this.edits.push(source);
    this.set(id, { source });
    if (id === "reward") this.state("train", { kind: "stale", because: ["reward"] });
  }

  undo(): void {
    this.edits.pop();
  }
  redo(): void {
    this.edits.push("");
  }
  dispose(): void {
    this.cells = [];
  }
}
