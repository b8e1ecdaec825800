import { metricWord } from "../kernels/metrics.ts";
import type { PolicyGradientConfig } from "./config.ts";
import type { UpdateMetrics } from "./engine.ts";

/** An update's metrics from what the kernels counted (`metricWord`); `planned`: its optimizer steps, where no stop ends it early. */
export function describeMetrics(
  data: Float32Array,
  algorithm: PolicyGradientConfig,
  known: Pick<UpdateMetrics, "update" | "learningRate" | "multiplier"> & { readonly planned: number },
): UpdateMetrics {
  const { update, learningRate, multiplier, planned } = known;
  const of = (name: keyof typeof metricWord): number => data[metricWord[name]]!;
  const optimizerSteps = algorithm.klStop ? of("optimizerSteps") : planned;
  const samples = optimizerSteps * algorithm.minibatchSize;
  const episodes = algorithm.demonstrations ? 0 : of("episodes");
  const perEpisode = (sum: number): number => (episodes === 0 ? NaN : sum / episodes);
  const variance = of("returnVariance");
  return {
    update,
    step: update * algorithm.envs * algorithm.steps,
    policyLoss: of("policyLoss") / samples,
    valueLoss: of("valueLoss") / samples,
    entropy: of("entropy") / samples,
    approximateKl: of("kl") / samples,
    clipFraction: of("clipped") / samples,
    explainedVariance: variance === 0 ? NaN : 1 - of("residualVariance") / variance,
    gradientNorm: of("gradientNorm") / optimizerSteps,
    learningRate,
    episodes,
    episodeReturn: perEpisode(of("episodeReturn")),
    environmentReturn: perEpisode(of("environmentReturn")),
    episodeLength: perEpisode(of("episodeLength")),
    rewardMean: algorithm.demonstrations ? NaN : of("rewardMean"),
    optimizerSteps,
    episodeCost: algorithm.costLimit ? perEpisode(of("episodeCost")) : NaN,
    multiplier,
  };
}
