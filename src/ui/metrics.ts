import type { Run } from "../store/records.ts";

/** The curves a run can show: metric name, words for it, and what a person reads from it. */
export interface MetricView {
  readonly name: string;
  readonly title: string;
  /** Words for where there is little room; default the title. */
  readonly short?: string;
  readonly hint: string;
  /** Offered only where a run has measured it. */
  readonly optional?: boolean;
}

const optimization: readonly MetricView[] = [
  { name: "entropy", title: "entropy", hint: "how undecided the policy is, in nats" },
  {
    name: "approximateKl",
    title: "approximate KL",
    short: "KL",
    hint: "how far an update moved the policy, in nats",
  },
  {
    name: "clipFraction",
    title: "clip fraction",
    hint: "share of samples whose probability ratio was clipped",
  },
  { name: "gradientNorm", title: "gradient norm", hint: "before clipping" },
];

const simulated: readonly MetricView[] = [
  {
    name: "environmentReturn",
    title: "return",
    hint: "the environment's own reward, summed over an episode",
  },
  {
    name: "episodeReturn",
    title: "trained return",
    hint: "the reward that was trained, summed over an episode",
  },
  { name: "episodeLength", title: "episode length", hint: "steps" },
  ...optimization,
  {
    name: "explainedVariance",
    title: "explained variance",
    short: "expl. variance",
    hint: "1 means that the critic predicts the returns",
  },
  {
    name: "stepsPerSecond",
    title: "steps per second",
    short: "steps/s",
    hint: "how fast it trains, evaluations and pauses left out",
  },
  { name: "policyLoss", title: "policy loss", hint: "clipped surrogate objective, negated" },
  { name: "valueLoss", title: "value loss", hint: "squared error of the critic" },
  { name: "learningRate", title: "learning rate", hint: "of Adam" },
  { name: "rewardMean", title: "reward", hint: "the trained reward, mean of a step" },
  { name: "episodeCost", title: "cost", hint: "what is limited, summed over an episode", optional: true },
  {
    name: "multiplier",
    title: "multiplier",
    hint: "weight of the cost beside the reward: it grows while the cost is above its limit",
    optional: true,
  },
];

const agentic: readonly MetricView[] = [
  { name: "successRate", title: "success", hint: "share of rollouts that solved their task" },
  { name: "rewardMean", title: "reward", hint: "mean over an update's rollouts" },
  {
    name: "zeroVarianceGroups",
    title: "zero-variance groups",
    hint: "share of groups whose siblings all got the same reward: they teach nothing",
  },
  {
    name: "rewardStandardDeviation",
    title: "reward spread",
    hint: "standard deviation over an update's rollouts",
  },
  ...optimization,
  { name: "responseLength", title: "answer length", hint: "tokens the model wrote a rollout, mean" },
  { name: "failed", title: "failed rollouts", hint: "left out of an update, and counted" },
  { name: "droppedRows", title: "dropped rows", hint: "training rows left out of an update, and counted" },
  {
    name: "truncatedRows",
    title: "cut rows",
    hint: "training rows longer than the policy's context, cut and counted",
  },
  { name: "learningRate", title: "learning rate", hint: "of AdamW" },
  {
    name: "referenceKl",
    title: "KL to the start",
    hint: "how far the policy is from where the run began, in nats a token",
    optional: true,
  },
  {
    name: "klCoefficient",
    title: "KL coefficient",
    hint: "weight of the KL term, as the update used it",
    optional: true,
  },
];

const supervised: readonly MetricView[] = [
  {
    name: "loss",
    title: "loss",
    hint: "of a step's examples, before it: nats a learned token, or of a pair",
  },
  {
    name: "accuracy",
    title: "preferred",
    hint: "share of pairs whose chosen answer the policy likes better than its start did, against the rejected one",
  },
  { name: "entropy", title: "entropy", hint: "how undecided the policy is, in nats a token" },
  { name: "gradientNorm", title: "gradient norm", hint: "before clipping" },
  { name: "tokens", title: "tokens", hint: "learned in a step" },
  { name: "learningRate", title: "learning rate", hint: "of AdamW" },
];

export type RunKind = "simulated" | "agentic" | "supervised";

/** Rollouts from outside have an agent, too. */
export const runKindOf = (run: Pick<Run, "kind"> | null): RunKind =>
  run?.kind === "outside" ? "agentic" : (run?.kind ?? "simulated");

/** The first is what a run of this kind is judged by, and what its evaluations measure. */
export const metricViews: Readonly<Record<RunKind, readonly MetricView[]>> = {
  simulated,
  agentic,
  supervised,
};

/** The metric that a run's evaluations measure. */
export const evaluatedMetric = (kind: RunKind): string => metricViews[kind][0]!.name;

/** What a run's evaluations are called. */
export const evaluationWords = (kind: RunKind): string =>
  ({
    simulated: "Last greedy evaluation",
    agentic: "On held-out tasks",
    supervised: "On held-out examples",
  })[kind];

export const metricView = (name: string, kind: RunKind = "simulated"): MetricView =>
  metricViews[kind].find((view) => view.name === name) ??
  (isRewardPart(name)
    ? {
        name,
        title: `reward: ${name.slice(REWARD.length)}`,
        hint: "this part of the environment's reward, summed over an episode, as of the last evaluation",
      }
    : { name, title: name, hint: "" });

const REWARD = "reward.";

/** Whether a curve is that of a part of the environment's own reward. */
export const isRewardPart = (name: string): boolean => name.startsWith(REWARD);

/** The curves of the parts of a reward, found by a run's final figures. */
export const rewardParts = (figures: Readonly<Record<string, unknown>>): MetricView[] =>
  Object.keys(figures).flatMap((name) => {
    const part = /^evaluation\.greedy\.(reward\..+)$/.exec(name)?.[1];
    return part === undefined ? [] : [metricView(part)];
  });
