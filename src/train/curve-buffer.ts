import type { UpdateMetrics } from "../rl/engine.ts";
import type { AgenticUpdate } from "../trace/agentic-spans.ts";
import {
  agenticUpdateAttributes,
  supervisedUpdateAttributes,
  updateAttributes,
} from "../trace/semantic-conventions.ts";
import type { SupervisedUpdate } from "../trace/supervised-spans.ts";
import type { Curve } from "./events.ts";

/** Greedy episodes on held-out start states after one update; returns are the environment's own. */
export interface EvaluationPoint {
  readonly update: number;
  readonly step: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Parts of the environment's own reward by name: sum over an episode, mean. */
  readonly components?: Readonly<Record<string, number>>;
}

/** Columns of the parts of a reward are named by this and the part's own name. */
export const REWARD_PART = "reward.";

/** Metrics drawn as curves; the rest of `UpdateMetrics` says where they belong. */
const curveMetrics = updateAttributes.filter((name) => name !== "update" && name !== "step");

/** What every point of a curve says of itself. */
export interface CurvePoint {
  readonly update: number;
  /** Environment steps or rollouts done. */
  readonly step: number;
}

export interface CurveBufferOptions<Point> {
  /** Metrics that become columns. */
  readonly columns: readonly (keyof Point & string)[];
  /** Further figures for lists. */
  readonly summary?: (points: readonly Point[]) => Readonly<Record<string, number>>;
  /** Name of the evaluation in lists; default "evaluation.greedy". */
  readonly evaluation?: string;
}

/** A run's curve as it grows: takes points one by one, gives columns for whoever has seen the first n. */
export class CurveBuffer<Point extends CurvePoint> {
  readonly #runId: string;
  readonly #options: CurveBufferOptions<Point>;
  readonly #updates: Point[] = [];
  readonly #evaluations: EvaluationPoint[] = [];
  /** Beside every update, the parts of the reward as of the evaluation before it. */
  readonly #components: Readonly<Record<string, number>>[] = [];

  constructor(runId: string, options: CurveBufferOptions<Point>) {
    this.#runId = runId;
    this.#options = options;
  }

  get updates(): number {
    return this.#updates.length;
  }

  get evaluations(): number {
    return this.#evaluations.length;
  }

  addUpdate(point: Point): void {
    this.#updates.push(point);
    this.#components.push(this.#evaluations.at(-1)?.components ?? {});
  }

  addEvaluation(point: EvaluationPoint): void {
    this.#evaluations.push(point);
  }

  /** Forgets everything after `update`, for a run that goes on from an earlier checkpoint. */
  truncate(update: number): void {
    while ((this.#updates.at(-1)?.update ?? 0) > update) {
      this.#updates.pop();
      this.#components.pop();
    }
    while ((this.#evaluations.at(-1)?.update ?? 0) > update) this.#evaluations.pop();
  }

  /** The points after the first `updates` and `evaluations`, up to the given ends (default: all). */
  since(updates: number, evaluations: number, endUpdates?: number, endEvaluations?: number): Curve {
    const rows = this.#updates.slice(updates, endUpdates);
    const parts = this.#components.slice(updates, endUpdates);
    const named = new Set(this.#components.flatMap((entry) => Object.keys(entry)));
    const points = this.#evaluations.slice(evaluations, endEvaluations);
    return {
      runId: this.#runId,
      step: Float64Array.from(rows, (row) => row.step),
      columns: Object.fromEntries([
        ...this.#options.columns.map((name) => [name, Float64Array.from(rows, (row) => Number(row[name]))]),
        ...[...named].map((name) => [
          `${REWARD_PART}${name}`,
          Float64Array.from(parts, (entry) => entry[name] ?? Number.NaN),
        ]),
      ]) as Record<string, Float64Array>,
      evaluations: {
        step: Float64Array.from(points, (point) => point.step),
        mean: Float64Array.from(points, (point) => point.mean),
        low: Float64Array.from(points, (point) => point.low),
        high: Float64Array.from(points, (point) => point.high),
      },
    };
  }

  /** Figures for lists, under the names the page and the command line use. */
  summary(): Record<string, number> {
    const { columns, summary, evaluation: name = "evaluation.greedy" } = this.#options;
    const last = this.#updates.at(-1);
    const evaluation = this.#evaluations.at(-1);
    const figures: Record<string, number> = { ...summary?.(this.#updates) };
    for (const column of columns) if (last) figures[`update.${column}`] = Number(last[column]);
    if (evaluation) {
      figures[`${name}.mean`] = evaluation.mean;
      figures[`${name}.low`] = evaluation.low;
      figures[`${name}.high`] = evaluation.high;
      for (const [part, value] of Object.entries(evaluation.components ?? {})) {
        figures[`${name}.${REWARD_PART}${part}`] = value;
      }
    }
    return Object.fromEntries(Object.entries(figures).filter(([, value]) => Number.isFinite(value)));
  }
}

/** What one update of a simulated run did, and how fast it was. */
export interface TimedUpdate extends UpdateMetrics {
  /** Environment steps a second, evaluations and pauses left out. */
  readonly stepsPerSecond: number;
}

/** The curve of a simulated run. */
export const simulatedCurve = (runId: string): CurveBuffer<TimedUpdate> =>
  new CurveBuffer(runId, {
    columns: [...curveMetrics, "stepsPerSecond"],
    summary: (points) => ({ "rollout.return.last100": recentReturn(points, 100) }),
  });

/** Mean environment return of about the last `count` episodes (whole updates); NaN before the first. */
function recentReturn(points: readonly UpdateMetrics[], count: number): number {
  let episodes = 0;
  let sum = 0;
  for (let i = points.length - 1; i >= 0 && episodes < count; i--) {
    const point = points[i]!;
    if (point.episodes === 0) continue;
    episodes += point.episodes;
    sum += point.episodes * point.environmentReturn;
  }
  return episodes === 0 ? Number.NaN : sum / episodes;
}

/** Metrics of an agentic update drawn as curves. */
const agenticMetrics = agenticUpdateAttributes.filter((name) => name !== "update" && name !== "rollouts");

/** The curve of an agentic run; evaluations are shares of held-out tasks solved greedily. `figures` go to its summary. */
export const agenticCurve = (
  runId: string,
  figures: () => Readonly<Record<string, number>> = () => ({}),
): CurveBuffer<AgenticUpdate & { readonly step: number }> =>
  new CurveBuffer(runId, { columns: agenticMetrics, summary: figures });

/** The curve of a run over examples; evaluations are losses of held-out ones. */
export const supervisedCurve = (runId: string): CurveBuffer<SupervisedUpdate & { readonly step: number }> =>
  new CurveBuffer(runId, {
    columns: supervisedUpdateAttributes.filter((name) => name !== "update" && name !== "examples"),
    evaluation: "evaluation.heldOut",
  });
