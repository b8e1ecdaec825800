import type { EngineRequest, TrainingEngine, UpdateMetrics } from "../../src/rl/engine.ts";
import { worstDifference } from "./goldens.ts";
import type { ReferenceRun } from "./reference-update.ts";

/** Where an engine's first `updates` updates differ from the reference's; null where they agree. */
export async function disagreement(
  request: EngineRequest,
  expected: ReferenceRun,
  updates: number,
  create: (request: EngineRequest) => Promise<TrainingEngine>,
): Promise<string | null> {
  const engine = await create(request);
  const metrics: UpdateMetrics[] = [];
  engine.onMetrics = (m) => metrics.push(m);
  for (let i = 0; i < updates; i++) await engine.submit();
  const state = await engine.save();
  engine.dispose();
  const parameters = worstDifference(state.parameters, expected.parameters, {
    absolute: 2e-5,
    relative: 1e-4,
  });
  if (parameters) return `parameter ${parameters.index}: ${parameters.actual}, not ${parameters.expected}`;
  if (state.environmentState.join() !== expected.environmentState.join()) return "the environments' states";
  if (state.episodeLength.join() !== expected.episodeLength.join()) return "the episodes' lengths";
  for (const name of Object.keys(expected.metrics) as (keyof ReferenceRun["metrics"])[]) {
    const [actual, wanted] = [metrics.at(-1)![name], expected.metrics[name]];
    if (Number.isNaN(actual) && Number.isNaN(wanted)) continue;
    if (worstDifference([actual], [wanted], { absolute: 2e-5, relative: 1e-3 })) {
      return `${name}: ${actual}, not ${wanted}`;
    }
  }
  if (request.algorithm.costLimit) {
    const [multiplier] = state.multiplier!;
    if (worstDifference([multiplier!], [expected.multiplier], { absolute: 1e-5, relative: 1e-4 })) {
      return `multiplier: ${multiplier!}, not ${expected.multiplier}`;
    }
  }
  return null;
}
