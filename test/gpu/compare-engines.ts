import { expect } from "vitest";
import { createCpuEngine } from "../../src/rl/cpu-engine.ts";
import type { EngineRequest, TrainingEngine, TrainingState, UpdateMetrics } from "../../src/rl/engine.ts";
import { createWebGpuEngine } from "../../src/rl/webgpu-engine.ts";
import { gpu } from "./support.ts";

/** Largest differences, over max(1, size). */
export interface EngineTolerance {
  readonly metric: number;
  readonly clipFraction: number;
  readonly state: number;
}

const strict: EngineTolerance = { metric: 5e-5, clipFraction: 5e-5, state: 5e-5 };

/**
 * Runs both engines over `updates` updates, the GPU each time from the CPU engine's state (teacher-forced), and holds
 * metrics and states to each other. Returns the largest relative difference of a metric and of a parameter.
 */
export async function compareEngines(
  request: EngineRequest,
  updates: number,
  tolerance: EngineTolerance = strict,
  gpuEnvironment = request.environment,
): Promise<{ readonly metric: number; readonly parameter: number }> {
  const onGpu = await createWebGpuEngine({ ...request, environment: gpuEnvironment }, gpu!);
  const onCpu = await createCpuEngine(request);
  const worst = { metric: 0, parameter: 0 };
  try {
    for (let update = 0; update < updates; update++) {
      const [a, b] = [await one(onGpu), await one(onCpu)];
      for (const name of Object.keys(b) as (keyof UpdateMetrics)[]) {
        const label = `${name}, update ${update + 1}`;
        if (Number.isNaN(b[name])) expect(a[name], label).toBeNaN();
        else {
          const difference = Math.abs(a[name] - b[name]) / Math.max(1, Math.abs(b[name]));
          worst.metric = Math.max(worst.metric, difference);
          const allowed = name === "clipFraction" ? tolerance.clipFraction : tolerance.metric;
          expect(difference, `${label}: ${a[name]} against ${b[name]}`).toBeLessThan(allowed);
        }
      }
      const [s, t] = [await onGpu.save(), await onCpu.save()];
      expect(s.optimizerStep).toBe(t.optimizerStep);
      expect([...s.episodeLength].join()).toBe(alike(request, t.episodeLength).join());
      expect(s.hosts).toBe(t.hosts);
      for (const name of arrays(t)) {
        const [x, y] = [s[name]!, t[name]!];
        expect(x.length, name).toBe(y.length);
        if (request.algorithm.episodes === "whole" && name.startsWith("e") && name.endsWith("Return"))
          continue;
        const difference = x.reduce(
          (max, v, i) => Math.max(max, Math.abs(v - y[i]!) / Math.max(1, Math.abs(y[i]!))),
          0,
        );
        if (name === "parameters") worst.parameter = Math.max(worst.parameter, difference);
        expect(difference, `${name}, update ${update + 1}`).toBeLessThan(tolerance.state);
      }
      onGpu.load(t);
    }
  } finally {
    onGpu.dispose();
    onCpu.dispose();
  }
  return worst;
}

/** Between updates of whole episodes no episode is in progress; the CPU engine still shows the last ones. */
const alike = (request: EngineRequest, lengths: Uint32Array): number[] =>
  request.algorithm.episodes === "whole" && !request.environment.host
    ? Array.from(lengths, () => 0)
    : [...lengths];

type ArrayName = Exclude<
  keyof TrainingState,
  "version" | "update" | "optimizerStep" | "episodeLength" | "hosts"
>;

const arrays = (state: TrainingState): ArrayName[] =>
  (Object.keys(state) as (keyof TrainingState)[]).filter(
    (name): name is ArrayName => ArrayBuffer.isView(state[name]) && name !== "episodeLength",
  );

async function one(engine: TrainingEngine): Promise<UpdateMetrics> {
  const metrics: UpdateMetrics[] = [];
  engine.onMetrics = (m) => metrics.push(m);
  await engine.submit();
  await engine.flush();
  return metrics[0]!;
}
