import { ReadbackRing } from "../gpu/readback.ts";
import { METRICS_LENGTH } from "../kernels/metrics.ts";
import { normalizationLength } from "./normalization.ts";
import { EPISODE_WORDS, type PpoPlan } from "./webgpu-plan.ts";

/** Updates submitted and not yet finished; one where an update needs what the one before it measured. */
export const IN_FLIGHT = 2;

/** The first elements of a buffer. */
export interface Part {
  readonly buffer: GPUBuffer;
  readonly length: number;
}

/** What is read back of a job, and where to. */
export interface PpoReadbacks {
  /** Parameters, moments, environments, episodes and, where something is normalised, its statistics. */
  readonly state: readonly Part[];
  readonly stateLength: number;
  readonly readState: ReadbackRing;
  /** After every update: the metrics, then what acts next where that is not the GPU. */
  readonly measured: readonly Part[];
  readonly readMetrics: ReadbackRing;
}

/** Whether the policy acts on the processor: see `HostedCollection`. */
export const actsOnHost = ({ environment, demonstrations }: PpoPlan["request"]): boolean =>
  environment.host !== undefined && (demonstrations ?? null) === null;

/** Makes the rings where the plan's buffers are made; they are the caller's to dispose of. */
export function createPpoReadbacks({ request, plan, layout, buffers }: PpoPlan): PpoReadbacks {
  const { environment, envs } = request;
  const parameters = { buffer: buffers.parameters, length: layout.length };
  const statistics = buffers.normalization
    ? [{ buffer: buffers.normalization, length: normalizationLength(environment.observationSize, envs) }]
    : [];
  const state = [
    parameters,
    { buffer: buffers.moments, length: 2 * layout.length },
    { buffer: buffers.environments, length: envs * environment.stateFields.length },
    { buffer: buffers.episodes, length: envs * EPISODE_WORDS },
    ...statistics,
  ];
  const measured = [
    { buffer: buffers.metrics, length: METRICS_LENGTH },
    ...(actsOnHost(request) ? [parameters, ...statistics] : []),
  ];
  const sum = (parts: readonly Part[]): number => parts.reduce((total, { length }) => total + length, 0);
  const ring = (label: string, parts: readonly Part[], slots: number): ReadbackRing =>
    new ReadbackRing(plan.maker, label, sum(parts), slots);
  return {
    ...{ state, stateLength: sum(state), measured },
    readState: ring("state readback", state, 1),
    readMetrics: ring("metrics readback", measured, IN_FLIGHT + 1),
  };
}
