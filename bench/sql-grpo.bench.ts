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
    const minutes = (
      until: readonly { generateTime: number; scoreTime: number; trainTime: number }[],
    ): number => until.reduce((sum, it) => sum + it.generateTime + it.scoreTime + it.trainTime, 0) / 60_000;
    // Greedy answers begin above the first goal; sampled ones do not.
    const window = 5;
    const recent = made.map(
      (_, i) =>
        made.slice(Math.max(0, i - window + 1), i + 1).reduce((sum, it) => sum + it.successRate, 0) / window,
    );
    const sampledAt = recent.findIndex((share) => share >= goals[0]!);
    const ways = goals.flatMap((goal) => {
      const at = mean.findIndex((share) => share >= goal);
      if (at < 0) return [];
      const until = made.filter(({ rollouts }) => rollouts <= step[at]!);
      const begun = `of 400 held-out questions, greedy`;
      return {
        metric: `minutes-to-${goal}`,
        unit: "min",
        value: minutes(until),
        engine: "cpu",
        note:
          at === 0
            ? `no update is needed: the warm start answers ${mean[0]!.toFixed(3)} ${begun}`
            : `from ${mean[0]!.toFixed(3)} to ${mean[at]!.toFixed(3)} ${begun}, after ${step[at]!} rollouts, evaluations left out`,
      };
    });
    const sampled =
      sampledAt < 0
        ? []
        : [
            {
              metric: `minutes-to-${goals[0]!}-sampled`,
              unit: "min",
              value: minutes(made.slice(0, sampledAt + 1)),
              engine: "cpu",
              note: `right rollouts of training, from ${made[0]!.successRate.toFixed(3)} in the first update to ${recent[sampledAt]!.toFixed(3)} over ${window} updates, after ${made[sampledAt]!.rollouts} rollouts`,
            },
          ];
    return [...rows, ...sampled, ...ways];
  },
};

export default bench;
