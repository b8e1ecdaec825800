/** The curves a run can show: metric name, words for it, and what a person reads from it. */
export interface MetricView {
  readonly name: string;
  readonly title: string;
  readonly hint: string;
}

export const metricViews: readonly MetricView[] = [
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
  { name: "entropy", title: "entropy", hint: "how undecided the policy is, in nats" },
  { name: "approximateKl", title: "approximate KL", hint: "how far an update moved the policy, in nats" },
  {
    name: "clipFraction",
    title: "clip fraction",
    hint: "share of samples whose probability ratio was clipped",
  },
  {
    name: "explainedVariance",
    title: "explained variance",
    hint: "1 means that the critic predicts the returns",
  },
  { name: "policyLoss", title: "policy loss", hint: "clipped surrogate objective, negated" },
  { name: "valueLoss", title: "value loss", hint: "squared error of the critic" },
  { name: "gradientNorm", title: "gradient norm", hint: "before clipping" },
  { name: "learningRate", title: "learning rate", hint: "of Adam" },
  { name: "rewardMean", title: "reward", hint: "the trained reward, mean of a step" },
];

export const metricView = (name: string): MetricView =>
  metricViews.find((view) => view.name === name) ?? { name, title: name, hint: "" };
