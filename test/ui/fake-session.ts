import type { CellState, CellView, NotebookSession, Output } from "../../src/notebook/session-types.ts";
import type { NotebookRequests } from "../../src/notebook/requests.ts";
import type { StructureEdit } from "../../src/notebook/structure.ts";
import { agenticJob, rewardSource } from "./fake-agentic.ts";
import { demoJob, random, type FakeTrainer } from "./fake-trainer.ts";

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
  hidden: false,
  readonly: false,
  source,
  line: 1,
  state: { kind: "idle" },
  heldUp: null,
  outputs: [],
  defines: [],
  uses: [],
  ...more,
});

const wgsl = `fn step_reward(s: array<f32, 4>, a: f32, next: array<f32, 4>) -> f32 {
  return (1.0 - (0.1 * abs(next[0])));
}`;

const outputs: Readonly<Record<string, readonly Output[]>> = {
  agent: [{ view: "agent", name: "copyist", lines: 10 }],
  score: [
    {
      view: "composite-reward",
      name: "score",
      components: [
        { name: "right", weight: 1 },
        { name: "length", weight: -0.25 },
      ],
      rescore: { source: rewardSource() },
    },
  ],
  policy: [
    {
      view: "policy",
      name: "policy",
      parameters: 92_224,
      learns: 92_224,
      shape: { alphabet: "abcdefghij", width: 64, layers: 2, heads: 4, feedForward: 128, maxLength: 64 },
      warmStart: null,
    },
  ],
  pole: [{ view: "environment", name: "CartPole-v1" }],
  reward: [
    {
      view: "reward",
      name: "reward",
      wgsl,
      checkedStates: 4096,
      largestDifference: 0,
      nonFinite: 0,
      undecided: 0,
      definition: {
        kind: "reward",
        source: { source: "(s, a, next) => 1 - 0.1 * Math.abs(next.x)", constants: {}, line: 1 },
        stateFields: ["x", "xDot", "theta", "thetaDot"],
        actionCount: 2,
        actionSize: 1,
      },
      gpu: { kind: "agrees", adapter: "apple m3", checked: 256, largestDifference: 0 },
    },
  ],
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

/** A notebook in which a language model learns behind an agent. */
export const agenticCells = (): CellView[] => [
  cell(
    "intro",
    "md",
    `# A model behind an agent learns

The agent below is ten lines of \`fetch\`. Behind it is a small **transformer** that knows nothing: it answers at
random. What it gets right it does more often.`,
  ),
  cell(
    "agent",
    "code",
    `export const copyist = defineAgent("copyist", async (task, { signal }) => {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({ model: "policy", messages: [{ role: "user", content: task }] }),
    signal,
  });
  return (await response.json()).choices[0].message.content;
});`,
    { defines: ["copyist"] },
  ),
  cell(
    "score",
    "code",
    `export const score = defineReward({
  right: { weight: 1, score: (task, answer) => [...task].filter((c, i) => c === answer[i]).length / task.length },
  length: { weight: -0.25, score: (task, answer) => (task.length === answer.length ? 0 : 1) },
});`,
    { defines: ["score"] },
  ),
  cell("policy", "code", `export const policy = characterPolicy({ alphabet: "abcdefghij" });`),
  cell(
    "learn",
    "code",
    `export const run = await train({
  agent: copyist, reward: score, tasks, policy,
  algorithm: grpo({ groupSize: 8 }),
});`,
    { lazy: true, uses: ["copyist", "score", "policy"] },
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
  readonly ready = Promise.resolve();
  readonly permissions = {
    key: null,
    state: "allowed",
    from: null,
    hosts: [],
    refused: [],
    notes: [],
  } as const;
  readonly allow = (): Promise<void> => Promise.resolve();
  readonly grant = (): Promise<void> => Promise.resolve();
  readonly revoke = (): Promise<void> => Promise.resolve();
  readonly withdraw = (): Promise<void> => Promise.resolve();
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

  environments(): Promise<null> {
    return Promise.resolve(null);
  }

  async run(id: string): Promise<void> {
    this.state(id, { kind: "running", since: 0 });
    if (id !== "train" && id !== "learn") {
      this.set(id, { state: { kind: "done" }, outputs: this.#outputs(id) });
      return;
    }
    const job = id === "learn" ? agenticJob(random(this.#seed++)) : demoJob(this.#seed++);
    const reply = await this.#trainer.start(job, { cell: id });
    if (!reply.ok) return;
    this.set(id, { outputs: [{ view: "run", runId: reply.value }] });
    await this.#trainer.stored.get(reply.value)?.ended.promise;
    this.state(id, { kind: "done" });
  }

  /** A reward whose text was edited is another reward. */
  #outputs(id: string): readonly Output[] {
    const edited = id === "score" && this.edits.length > 0;
    return (outputs[id] ?? []).map((output) =>
      edited && output.view === "composite-reward"
        ? { ...output, rescore: { source: rewardSource("edited") } }
        : output,
    );
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
    if (id === "score") this.state("learn", { kind: "stale", because: ["score"] });
    if (id === "reward") this.state("train", { kind: "stale", because: ["reward"] });
  }

  requests(): Promise<NotebookRequests> {
    return Promise.resolve({ hosts: [], imports: [], packages: [], trains: [] });
  }

  setInput(id: string, label: string): void {
    this.edits.push(`${id}/${label}`);
  }

  apply(edit: StructureEdit): string | null {
    this.edits.push(edit.kind);
    return null;
  }

  undo(): string | null {
    this.edits.pop();
    return null;
  }
  redo(): string | null {
    this.edits.push("");
    return null;
  }
  dispose(): void {
    this.cells = [];
  }
}
