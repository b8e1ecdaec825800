import type { Bench } from "./harness/bench.ts";

const updates = 40;
const goals = [0.85, 0.95];

const bench: Bench = {
  where: "node",
  about: `text-to-SQL by GRPO on the CPU engine: an update of 24 x 8 rollouts, and the way from the warm start to ${goals.join(" and ")}`,
  async run({ progress }) {
    const { runNotebook } = await import("../test/support/run-notebook.ts");
    const { agenticUpdateFromSpan } = await import("../src/trace/agentic-spans.ts");
    progress(`${updates} updates`);
    const { curve, result, store } = await runNotebook("text-to-sql", "training", {
      job: (job) => ({
        ...job,
        algorithm: {
          ...job.algorithm,
          updates,
          evaluateEvery: 5,
          finalLearningRate: job.algorithm.loss.learningRate,
        },
      }),
    });
    const spans = await store.spans({ runId: result.runId, rolloutId: null });
    const made = spans.flatMap((span) => agenticUpdateFromSpan(span) ?? []);
    const parts = ["generateTime", "scoreTime", "trainTime"] as const;
    const median = (values: readonly number[]): number =>
      [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
    // The first updates start SQLite and make most of its databases.
    const later = made.slice(5);
    const tokens = median(later.map((it) => it.tokens));
    const rows = parts.map((part) => ({
      metric: part.replace("Time", "-time"),
      unit: "ms",
      value: median(later.map((it) => it[part])),
      engine: "cpu",
      note: `median of ${later.length} updates of 192 rollouts, about ${Math.round(tokens)} sampled tokens`,
    }));
    const { step, mean } = curve.evaluations;
    const ways = goals.flatMap((goal) => {
      const at = mean.findIndex((share) => share >= goal);
      if (at < 0) return [];
      const until = made.filter(({ rollouts }) => rollouts <= step[at]!);
      const time = until.reduce((sum, it) => sum + it.generateTime + it.scoreTime + it.trainTime, 0);
      return {
        metric: `minutes-to-${goal}`,
        unit: "min",
        value: time / 60_000,
        engine: "cpu",
        note: `execution accuracy from ${mean[0]!.toFixed(3)} to ${mean[at]!.toFixed(3)} on 400 held-out questions after ${step[at]!} rollouts, evaluations left out`,
      };
    });
    return [...rows, ...ways];
  },
};

export default bench;
