import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { Environment } from "../../src/env/environment.ts";
import type { AlgorithmConfig } from "../../src/rl/config.ts";
import { createCpuEngine } from "../../src/rl/cpu-engine.ts";
import { curveSvg } from "./curve-svg.ts";
import { learn, type LearningCurve } from "./learning.ts";

/** One setting on one environment, over seeds. */
export interface LearningProof {
  /** File name under bench/results/learning/. */
  readonly name: string;
  readonly title: string;
  readonly environment: Environment;
  readonly algorithm: AlgorithmConfig;
  readonly seeds: readonly number[];
  /** Mean return of the last 100 episodes that the steps are counted to. */
  readonly threshold: number;
}

export interface ProvenRun extends LearningCurve {
  readonly seed: number;
}

/** Trains every seed on the CPU engine and keeps data and picture; the caller judges. */
export async function proveLearning(proof: LearningProof): Promise<readonly ProvenRun[]> {
  const { name, title, environment, algorithm, seeds, threshold } = proof;
  const runs: ProvenRun[] = [];
  for (const seed of seeds) {
    const engine = await createCpuEngine({ environment, reward: null, algorithm, seed });
    const curve = await learn(engine, {
      threshold,
      maxSteps: algorithm.totalSteps,
      stopThere: false,
      every: algorithm.totalSteps / 100,
    });
    engine.dispose();
    runs.push({ seed, ...curve });
    console.log(
      `${name}, seed ${seed}: ${threshold} at ${String(curve.stepsToThreshold)} steps, last ${curve.last.toFixed(2)}, best ${curve.best.toFixed(2)}, ` +
        `${Math.round(curve.steps / (curve.milliseconds / 1000))} steps/s`,
    );
  }
  const row = (metric: string, unit: string, value: number | null, seed: number): object => ({
    bench: name,
    metric,
    unit,
    value,
    seed,
  });
  const result = {
    adapter: "WebAssembly SIMD",
    engine: "cpu",
    machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Node ${process.version}`,
    date: new Date().toISOString().slice(0, 10),
    environment: environment.name,
    algorithm,
    threshold,
    rows: runs.flatMap((run) => [
      row("steps-to-threshold", "steps", run.stepsToThreshold, run.seed),
      row("last-100-return", "return", run.last, run.seed),
      row("best-100-return", "return", run.best, run.seed),
    ]),
    curves: runs.map(({ seed, points }) => ({ seed, points })),
  };
  const folder = new URL("../../bench/results/learning/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const text = JSON.stringify(result, null, 1).replaceAll(/\[\s+(-?[\d.]+),\s+(-?[\d.]+)\s+\]/g, "[$1, $2]");
  writeFileSync(new URL(`${name}.json`, folder), `${text}\n`);
  writeFileSync(
    new URL(`${name}.svg`, folder),
    curveSvg({
      title,
      x: "environment steps",
      y: "return, mean of the last 100 episodes",
      mark: { value: threshold, label: String(threshold) },
      lines: runs.map((run) => ({ name: `seed ${run.seed}`, points: run.points })),
    }),
  );
  return runs;
}
