import { FulguriteError } from "../gpu/error.ts";
import { policyHead } from "../kernels/action-space.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";
import { createCpuKernels, type CpuKernels } from "./cpu-kernels.ts";
import type { EngineRequest } from "./engine.ts";

/**
 * WebAssembly for a job's network, its parameters still zero; `minibatchSize` default the algorithm's. Rejects with
 * "cpu/unavailable" where it does not run.
 */
export async function cpuKernelsFor(
  { environment, algorithm, loss }: EngineRequest,
  layout: ParameterLayout,
  minibatchSize = algorithm.minibatchSize,
): Promise<CpuKernels> {
  try {
    return await createCpuKernels({
      layout,
      observationSize: environment.observationSize,
      head: policyHead(environment),
      envs: algorithm.envs,
      minibatchSize,
      clipsValue: algorithm.valueClip !== null,
      masked: environment.mask !== undefined,
      surrogate: loss ? "custom" : algorithm.surrogate,
      dualClip: algorithm.dualClip !== null,
      optimizer: algorithm.optimizer,
    });
  } catch (cause) {
    throw new FulguriteError(
      "cpu/unavailable",
      "The CPU engine's WebAssembly SIMD does not run here.",
      "Use a browser from 2023 or later, and allow WebAssembly on this page.",
      { cause },
    );
  }
}
