import { expect, test } from "vitest";
import { packText } from "../../src/ui/share-link.ts";
import { cell, rewrite, until } from "../support/notebook-page.ts";
import { stored, type StoredRun } from "../support/stored-runs.ts";
import { ServedApp } from "../support/served-app.ts";

const app = new ServedApp({ subPath: "/some/where/" });

/** A pole on a cart whose numbers live in a Map; `wrong` runs in every step. */
const pole = (wrong = ""): string => `class MappedPole {
  state = new Map<string, number>();
  reset(random: () => number) {
    for (const name of ["x", "xDot", "theta", "thetaDot"]) this.state.set(name, (random() - 0.5) / 10);
    return [...this.state.values()];
  }
  save() {
    return [...this.state];
  }
  load(saved: [string, number][]) {
    this.state = new Map(saved);
  }
  step(action: number) {
    ${wrong}
    const at = (name: string) => this.state.get(name)!;
    const force = action === 1 ? 10 : -10;
    const [sin, cos] = [Math.sin(at("theta")), Math.cos(at("theta"))];
    const push = (force + 0.05 * at("thetaDot") ** 2 * sin) / 1.1;
    const turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos ** 2) / 1.1));
    this.state = new Map([
      ["x", at("x") + 0.02 * at("xDot")],
      ["xDot", at("xDot") + 0.02 * (push - (0.05 * turn * cos) / 1.1)],
      ["theta", at("theta") + 0.02 * at("thetaDot")],
      ["thetaDot", at("thetaDot") + 0.02 * turn],
    ]);
    const terminated = Math.abs(at("x")) > 2.4 || Math.abs(at("theta")) > 0.2094;
    return { observation: [...this.state.values()], reward: 1, terminated };
  }
}
export const pole = hostEnvironment({
  name: "Mapped pole",
  observations: ["x", "xDot", "theta", "thetaDot"],
  actions: 2,
  create: () => new MappedPole(),
});`;

const trainingOf = (totalSteps: number, more = ""): string =>
  `export const run = await train({ env: pole, algorithm: ppo({ totalSteps: ${totalSteps} }), seed: 1${more} });`;

const notebook = `// fulgurite: 1
// %% pole
${pole()}
// %% training lazy
${trainingOf(15_360)}
`;

test("PPO learns in a cell's class over a Map, and resumes after a reload; one that throws is named, one without an end is stopped", async () => {
  const page = await (await app.launch()).newPage();
  await page.goto(`${app.url}#code=${await packText(notebook)}`);
  await page.getByRole("button", { name: "Run this notebook" }).click();
  const training = cell(page, "training");
  const runTraining = (): Promise<void> =>
    training
      .getByRole("button", { name: /^Run (training|again)/ })
      .first()
      .click();
  await cell(page, "pole").getByText("Mapped pole: observes 4 numbers").waitFor();

  const last = async (count: number): Promise<StoredRun> =>
    (
      await until(
        () => stored(page),
        ({ runs }) => runs.length === count && !["queued", "running"].includes(runs[count - 1]!.status),
        `run ${count} to end`,
      )
    ).runs[count - 1]!;

  await runTraining();
  const learned = await last(1);
  expect(learned).toMatchObject({ status: "succeeded", engine: "cpu" });
  expect(learned.reason).toMatch(/the CPU engine trains/);
  await training.getByText(/Every step waits for the code of its environment/).waitFor();
  // An untrained policy keeps it up for about 22 steps.
  expect(learned.metrics["rollout.return.last100"]).toBeGreaterThan(60);
  expect(learned.metrics["evaluation.greedy.mean"]).toBeGreaterThan(100);

  // The page goes away in the middle of the same run: the environments' states were kept with the weights.
  await runTraining();
  await until(
    () => stored(page),
    ({ runs }) => runs.length === 2 && runs[1]!.update >= 4,
    "the second run to be under way",
  );
  await page.reload();
  await training.getByRole("button", { name: "Resume" }).click();
  const { runs } = await until(
    () => stored(page),
    (now) => now.runs[1]!.status === "succeeded",
    "the second run to end",
  );
  const resumed = runs[1]!;
  const numbers = ({ metrics }: StoredRun): unknown => ({ ...metrics, "update.stepsPerSecond": 0 });
  expect(numbers(resumed)).toEqual(numbers(learned));

  // The GPU can make the updates, where that is asked for.
  await rewrite(page, "training", trainingOf(1_024, ', engine: "webgpu"'));
  await runTraining();
  expect(await last(3)).toMatchObject({ status: "succeeded", engine: "webgpu" });

  await rewrite(page, "training", trainingOf(15_360));
  await rewrite(
    page,
    "pole",
    pole('if (this.state.get("theta")! > 0.1) throw new RangeError("too far out");'),
  );
  await runTraining();
  expect(await last(4)).toMatchObject({ status: "failed" });
  const why = training.getByText(/of "Mapped pole" failed, step \d+ of its episode.*too far out/);
  await why.first().waitFor();
  // Said once, by the run.
  expect(await why.count()).toBe(1);

  await rewrite(page, "pole", pole('if (this.state.get("theta")! > 0.1) for (;;);'));
  await runTraining();
  await until(
    () => stored(page),
    ({ runs }) => runs[4]?.status === "running",
    "the last run",
  );
  await page.waitForTimeout(500);
  await training.getByRole("button", { name: "Stop training" }).click();
  expect(await last(5)).toMatchObject({ status: "cancelled" });
}, 180_000);
