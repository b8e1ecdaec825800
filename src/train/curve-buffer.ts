import type { UpdateMetrics } from "../rl/engine.ts";
import type { Curve } from "./events.ts";

/** Greedy episodes on held-out start states after one update; returns are the environment's own. */
export interface EvaluationPoint {
  readonly update: number;
  readonly step: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Metrics drawn as curves; the rest of `UpdateMetrics` says where they belong. */
export const curveMetrics = [
  "environmentReturn",
  "episodeReturn",
  "episodeLength",
  "episodes",
  "rewardMean",
  "policyLoss",
  "valueLoss",
  "entropy",
  "approximateKl",
  "clipFraction",
  "explainedVariance",
  "gradientNorm",
  "learningRate",
] as const satisfies readonly (keyof UpdateMetrics)[];

/** A run's curve as it grows: takes points one by one, gives columns for whoever has seen the first n. */
export class CurveBuffer {
  readonly #runId: string;
  readonly #updates: UpdateMetrics[] = [];
  readonly #evaluations: EvaluationPoint[] = [];

  constructor(runId: string) {
    this.#runId = runId;
  }

  get updates(): number {
    return this.#updates.length;
  }

  get evaluations(): number {
    return this.#evaluations.length;
  }

  addUpdate(metrics: UpdateMetrics): void {
    this.#updates.push(metrics);
  }

  addEvaluation(point: EvaluationPoint): void {
    this.#evaluations.push(point);
  }

  /** Forgets everything after `update`, for a run that goes on from an earlier checkpoint. */
  truncate(update: number): void {
    while ((this.#updates.at(-1)?.update ?? 0) > update) this.#updates.pop();
    while ((this.#evaluations.at(-1)?.update ?? 0) > update) this.#evaluations.pop();
  }

  /** The points after the first `updates` and `evaluations`, up to the given ends (default: all). */
  since(updates: number, evaluations: number, endUpdates?: number, endEvaluations?: number): Curve {
    const rows = this.#updates.slice(updates, endUpdates);
    const points = this.#evaluations.slice(evaluations, endEvaluations);
    return {
      runId: this.#runId,
      step: Float64Array.from(rows, (row) => row.step),
      columns: Object.fromEntries(
        curveMetrics.map((name) => [name, Float64Array.from(rows, (row) => row[name])]),
      ),
      evaluations: {
        step: Float64Array.from(points, (point) => point.step),
        mean: Float64Array.from(points, (point) => point.mean),
        low: Float64Array.from(points, (point) => point.low),
        high: Float64Array.from(points, (point) => point.high),
      },
    };
  }

  /** Mean environment return of about the last `count` episodes (whole updates); NaN before the first. */
  recentReturn(count: number): number {
    let episodes = 0;
    let sum = 0;
    for (let i = this.#updates.length - 1; i >= 0 && episodes < count; i--) {
      const row = this.#updates[i]!;
      if (row.episodes === 0) continue;
      episodes += row.episodes;
      sum += row.episodes * row.environmentReturn;
    }
    return episodes === 0 ? Number.NaN : sum / episodes;
  }

  /** Figures for lists, under the names the page and the command line use. */
  summary(): Record<string, number> {
    const last = this.#updates.at(-1);
    const evaluation = this.#evaluations.at(-1);
    const figures: Record<string, number> = { "rollout.return.last100": this.recentReturn(100) };
    for (const name of curveMetrics) if (last) figures[`update.${name}`] = last[name];
    if (evaluation) {
      figures["evaluation.greedy.mean"] = evaluation.mean;
      figures["evaluation.greedy.low"] = evaluation.low;
      figures["evaluation.greedy.high"] = evaluation.high;
    }
    return Object.fromEntries(Object.entries(figures).filter(([, value]) => Number.isFinite(value)));
  }
}
