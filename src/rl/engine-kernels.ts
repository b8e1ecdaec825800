import { FulguriteError } from "../gpu/error.ts";
import { policyHead } from "../kernels/action-space.ts";
import type { OpenThreads } from "../kernels/wasm/threads.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";
import { createCpuKernels, kernelBytes, type CpuKernels, type CpuKernelShape } from "./cpu-kernels.ts";
import type { EngineRequest } from "./engine.ts";

/** What the kernels of a job are made for. */
const kernelShape = (
  { environment, algorithm, loss }: EngineRequest,
  layout: ParameterLayout,
  minibatchSize = algorithm.minibatchSize,
): CpuKernelShape => ({
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

/** Bytes of memory that `cpuKernelsFor` takes. */
export const planKernels = (request: EngineRequest, layout: ParameterLayout): number =>
  kernelBytes(kernelShape(request, layout));

/**
 * WebAssembly for a job's network, its parameters still zero; `minibatchSize` default the algorithm's. Rejects with
 * "cpu/unavailable" where it does not run.
 */
export async function cpuKernelsFor(
  request: EngineRequest,
  layout: ParameterLayout,
  minibatchSize?: number,
  threads: OpenThreads | null = null,
): Promise<CpuKernels> {
  try {
    return await createCpuKernels(kernelShape(request, layout, minibatchSize), threads);
  } catch (cause) {
    throw new FulguriteError(
      "cpu/unavailable",
      "The CPU engine's WebAssembly SIMD does not run here.",
      "Use a browser from 2023 or later, and allow WebAssembly on this page.",
      { cause },
    );
  }
}
