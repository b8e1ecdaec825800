import { spanNames } from "../store/span.ts";

/**
 * Names of spans and of their attributes, all in this file. A training span's attributes are the metrics under
 * their own names (`policyLoss`, `environmentReturn`, ...), so that a curve's column is an attribute's column.
 */
export const names = spanNames;

/** Attributes of an update span: the fields of `UpdateMetrics`. */
export const updateAttributes = [
  "update",
  "step",
  "policyLoss",
  "valueLoss",
  "entropy",
  "approximateKl",
  "clipFraction",
  "explainedVariance",
  "gradientNorm",
  "learningRate",
  "episodes",
  "episodeReturn",
  "environmentReturn",
  "episodeLength",
  "rewardMean",
] as const;

/** Attributes of an evaluation span: the fields of `Evaluation`. */
export const evaluationAttributes = [
  "update",
  "step",
  "episodes",
  "mean",
  "low",
  "high",
  "lengthMean",
] as const;
