import "../../src/ui/notebook.ts";
import { installTheme } from "../../src/ui/theme.ts";
import { TrainerClient } from "../../src/ui/trainer-client.ts";
import { FakeSession } from "./fake-session.ts";
import { demoJob, FakeTrainer } from "./fake-trainer.ts";

/** The page in each of its states, on a fake session and trainer: `gallery.html?scenario=finished`. */
installTheme();

const scenario = new URLSearchParams(location.search).get("scenario") ?? "fresh";
const trainer = new FakeTrainer();
const session = new FakeSession(trainer);
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
  case "loading":
    notebook.session = null;
}

notebook.trainer = new TrainerClient(trainer);
if (scenario !== "loading") notebook.session = session;
if (scenario === "stale") notebook.edited = true;
document.body.append(notebook);
Object.assign(globalThis, { fake: { trainer, session } });
