import type { RescoreResult } from "../train/rescore.ts";
import { formatCount, formatFigure } from "./format.ts";

/** What another reward would have changed, in sentences, the most telling first. */
export function rescoreWords({ comparison, failures }: RescoreResult): string[] {
  const { pairs, advantageFlips, zeroVarianceGroups: same, rankCorrelation, mean } = comparison;
  const sentences: string[] = [];
  if (pairs.total === 0) sentences.push("There are no siblings to compare.");
  else if (pairs.flipped + pairs.tied + pairs.untied === 0) {
    sentences.push(`This reward ranks all ${formatCount(pairs.total)} sibling pairs as before.`);
  } else {
    sentences.push(
      `This reward would have ranked ${formatCount(pairs.flipped)} of ${formatCount(pairs.total)} sibling pairs the other way round.`,
    );
    if (pairs.tied > 0) sentences.push(`${formatCount(pairs.tied)} pairs it would no longer tell apart.`);
    if (pairs.untied > 0) sentences.push(`${formatCount(pairs.untied)} it would newly tell apart.`);
  }
  if (advantageFlips.length > 0) {
    const some =
      advantageFlips.length === 1 ? "One rollout" : `${formatCount(advantageFlips.length)} rollouts`;
    sentences.push(`${some} would have been pushed the opposite way.`);
  }
  if (same.old !== same.new) {
    sentences.push(
      `Groups that teach nothing: ${formatCount(same.new)} of ${formatCount(same.groups)} instead of ${formatCount(same.old)}.`,
    );
  }
  const correlation =
    rankCorrelation === null
      ? ""
      : `, rank correlation ${formatFigure(Math.round(rankCorrelation * 100) / 100)}`;
  if (comparison.compared > 0) {
    sentences.push(`Mean ${formatFigure(mean.old)} before, ${formatFigure(mean.new)} now${correlation}.`);
  }
  const failed = Object.entries(failures).filter(([, count]) => count > 0);
  if (failed.length > 0) {
    const total = failed.reduce((sum, [, count]) => sum + count, 0);
    const reasons = failed.map(([reason, count]) => `${formatCount(count)} ${reason.replaceAll("-", " ")}`);
    sentences.push(`It failed on ${formatCount(total)}: ${reasons.join(", ")}.`);
  }
  return sentences;
}
