import "../../src/ui/notebook.ts";
import type { Rollout } from "../../src/store/records.ts";
import { showStore } from "../../src/ui/store/show-store.ts";
import { installTheme } from "../../src/ui/theme.ts";
import { TrainerClient } from "../../src/ui/trainer-client.ts";
import { recordedRuns } from "../../src/ui/recorded.ts";
import { agenticJob } from "./fake-agentic.ts";
import { agenticCells, demoCells, FakeSession } from "./fake-session.ts";
import { outputsNotebook } from "./outputs-notebook.ts";
import { realSession } from "./real-session.ts";
import { demoJob, FakeTrainer, random } from "./fake-trainer.ts";

/** The page in each of its states, on a fake session and trainer: `gallery.html?scenario=finished`. */
installTheme();

const scenario = new URLSearchParams(location.search).get("scenario") ?? "fresh";
const trainer = new FakeTrainer();
const isAgentic = scenario.startsWith("agentic");
const session = new FakeSession(trainer, isAgentic ? agenticCells() : demoCells());
const real = scenario.startsWith("real")
  ? realSession(scenario === "real-outputs" ? outputsNotebook : undefined)
  : null;
const notebook = document.createElement("fulgurite-notebook");

const earlier = (): void => {
  trainer.add(demoJob(1, "(s, a, next) => 1"), "train", 999, "succeeded", 70);
  trainer.add(demoJob(2), "train", 999, "succeeded", 52);
};

switch (scenario) {
  case "fresh":
    break;
  case "running":
    earlier();
    await session.runEager();
    void session.run("train");
    break;
  case "finished":
    earlier();
    trainer.add(demoJob(3), "train", 999, "succeeded");
    await session.runEager();
    break;
  case "single":
    trainer.add(demoJob(3), "train", 999, "succeeded");
    await session.runEager();
    break;
  case "paused":
    trainer.add(demoJob(3), "train", 120, "paused");
    break;
  case "failed":
    trainer.add(demoJob(3), "train", 40, "failed");
    await session.runEager();
    session.state("reward", {
      kind: "error",
      error: {
        code: "compile/unsupported",
        message: "A reward cannot use a for loop.",
        fix: "Write it as one expression, or with the ternary operator.",
        line: 2,
        column: 3,
      },
      lineText: "  for (const x of [1, 2]) sum += x;",
    });
    break;
  case "stale":
    earlier();
    await session.runEager();
    session.state("train", { kind: "stale", because: ["reward"] });
    break;
  case "agentic":
    trainer.add(agenticJob(random(7)), "learn", 999, "succeeded");
    await session.runEager();
    break;
  case "agentic-store":
  case "agentic-store-million": {
    trainer.add({ ...agenticJob(random(8)), seed: 2 }, "learn", 12, "succeeded");
    const stored = trainer.add(agenticJob(random(7)), "learn", 40, "succeeded");
    const source = new TrainerClient(trainer);
    if (scenario.endsWith("million")) {
      const [row] = stored.rollouts!.made;
      const make = (number: number): Rollout => ({
        ...row!.rollout,
        id: `x/${number}`,
        number,
        reward: number / 1e6,
      });
      source.rolloutPage = ({ offset, limit }) => {
        const items = Array.from({ length: Math.min(limit, 1_000_000 - offset) }, (_, i) =>
          make(999_999 - offset - i),
        );
        return Promise.resolve({ items, total: 1_000_000, all: 1_000_000 });
      };
    }
    await showStore(source, "");
    break;
  }
  case "agentic-running":
    await session.runEager();
    void session.run("learn");
    break;
  case "agentic-rescored":
    trainer.add(agenticJob(random(7)), "learn", 30, "paused");
    session.edit("score", session.cells.find(({ id }) => id === "score")!.source);
    await session.runEager();
    break;
  case "agentic-recorded": {
    const recorded = trainer.add(agenticJob(random(7)), "learn", 999, "succeeded");
    const { made } = recorded.rollouts!;
    trainer.stored.clear();
    await session.runEager();
    const { step, columns, evaluations } = recorded.curve.since(0, 0);
    const lists = (record: Readonly<Record<string, Float64Array>>): Record<string, number[]> =>
      Object.fromEntries(Object.entries(record).map(([name, values]) => [name, [...values]]));
    const file: unknown = {
      notebook: "gallery",
      cell: "learn",
      recordedAt: "2026-11-21T04:00:00Z",
      commit: "a344c87e5c",
      engine: "webgpu",
      adapter: "NVIDIA H100",
      seed: 1,
      curves: { step: [...step], columns: lists(columns), evaluations: lists(evaluations) },
      metrics: recorded.run.metrics,
      rollouts: made.map(({ rollout }) => rollout).filter(({ mode }) => mode === "evaluation"),
    };
    notebook.recorded = recordedRuns(JSON.parse(JSON.stringify(file)));
    break;
  }
  case "loading":
    notebook.session = null;
}

notebook.trainer = new TrainerClient(trainer);
if (scenario !== "loading") notebook.session = real ?? session;
if (real) void real.runEager();
if (scenario === "stale") notebook.edited = true;
document.body.append(notebook);
Object.assign(globalThis, { fake: { trainer, session: real ?? session } });
