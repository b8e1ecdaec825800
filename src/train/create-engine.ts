import { requestGpuDevice, type GpuDevice } from "../gpu/device.ts";
import { createCpuEngine } from "../rl/cpu-engine.ts";
import type { EngineRequest, TrainingEngine } from "../rl/engine.ts";
import { createWebGpuEngine } from "../rl/webgpu-engine.ts";
import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import type { SimulatedJob } from "./job.ts";

let device: Promise<GpuDevice> | null = null;

/** The one device of this realm; asked for again after it was lost. */
function sharedDevice(): Promise<GpuDevice> {
  if (device) return device;
  const gpu = typeof navigator === "object" && "gpu" in navigator ? navigator.gpu : undefined;
  if (!gpu) {
    return Promise.reject(
      new FulguriteError(
        "gpu/unavailable",
        "This browser has no WebGPU.",
        "Train on the CPU engine, or use a current Chrome, Edge or Safari.",
      ),
    );
  }
  const opened = requestGpuDevice(gpu);
  device = opened;
  const forget = (): void => {
    if (device === opened) device = null;
  };
  opened.then((it) => it.lost.then(forget), forget);
  return opened;
}

/** The engine that "auto" takes: WebGPU where there is an adapter, else the CPU. */
export async function chooseEngine(): Promise<{ engine: "webgpu" | "cpu"; adapter: string }> {
  try {
    return { engine: "webgpu", adapter: (await sharedDevice()).adapter };
  } catch {
    return { engine: "cpu", adapter: "WebAssembly SIMD" };
  }
}

/** Makes the engine for a job. "webgpu" without a usable adapter rejects; "auto" then trains on the CPU. */
export async function createEngine(
  request: EngineRequest,
  choice: SimulatedJob["engine"],
): Promise<TrainingEngine> {
  if (choice !== "cpu") {
    try {
      return await createWebGpuEngine(request, await sharedDevice());
    } catch (error) {
      if (choice === "webgpu" || !asFulguriteError(error).code.startsWith("gpu/")) throw error;
    }
  }
  return createCpuEngine(request);
}
