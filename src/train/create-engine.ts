import { openGpuDevice, type GpuDevice } from "../gpu/device.ts";
import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import { createCpuEngine } from "../rl/cpu-engine.ts";
import { planCpuMemory } from "../rl/cpu-memory.ts";
import type { EngineRequest, TrainingEngine } from "../rl/engine.ts";
import { createWebGpuEngine } from "../rl/webgpu-engine.ts";
import { Threads, type OpenThreads, type ThreadOptions } from "../kernels/wasm/threads.ts";
import { createCpuLanguageEngine } from "../lm/cpu-language-engine.ts";
import { planCpuLanguageMemory } from "../lm/cpu-memory-plan.ts";
import type { LanguageEngine } from "../lm/language-engine.ts";
import { createWebGpuLanguageEngine } from "../lm/webgpu-language-engine.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import type { AgenticJob, SimulatedJob } from "./job.ts";
import { nodeThreads } from "./node-threads.ts";
import { languageVariant, policyVariant, probeKernels } from "./kernel-variants.ts";
import type { LightningStore } from "../store/records.ts";
import { checkPartsOnGpu } from "./check-definition.ts";
import type { EngineTerms, PassedOver } from "./run-controller.ts";

let device: Promise<GpuDevice | null> | null = null;

/** `probeKernels` on this realm's device, where it has one. */
export async function probeVariants(store: LightningStore, now: () => number): Promise<void> {
  const gpu = device && (await device);
  if (gpu) await probeKernels(store, now, gpu);
}

/** Threads that the CPU engines of this realm share their work with: without a word, Node's. */
let threads: () => ThreadOptions | null = nodeThreads;

/** Says which threads CPU engines take that are made from here on; null: none. */
export function offerThreads(offered: ThreadOptions | null): void {
  threads = () => offered;
}

/** For actor and critic of a simulated policy: a third thread would have nothing to do. */
function twoThreads(): OpenThreads | null {
  const offered = threads();
  return offered && ((memory) => new Threads(memory, { ...offered, count: Math.min(2, offered.count) }));
}

/** What it will take is told before anything is made. */
function cpuEngine(request: EngineRequest, { onMemory }: EngineTerms): Promise<TrainingEngine> {
  onMemory(planCpuMemory(request).bytes);
  return createCpuEngine(request, twoThreads());
}

function cpuLanguageEngine(
  shape: TransformerShape,
  seed: number,
  { rows, onMemory, checkpointing = false }: EngineTerms,
): Promise<LanguageEngine> {
  const options = { checkpointing, ...atOnce(rows) };
  onMemory(planCpuLanguageMemory(shape, options).bytes);
  return createCpuLanguageEngine(shape, { ...options, seed, threads: threads() });
}

/** The one device of this realm, null where there is none; opened again after it was lost. */
export function sharedDevice(): Promise<GpuDevice | null> {
  if (device) return device;
  const opened = openGpuDevice(typeof navigator === "object" ? navigator.gpu : null);
  device = opened;
  void opened.then(async (it) => {
    await it?.lost;
    if (device === opened) device = null;
  });
  return opened;
}

/** The engine that "auto" takes: WebGPU where there is an adapter with a GPU behind it, else the CPU. */
export async function chooseEngine(): Promise<{ engine: "webgpu" | "cpu"; adapter: string }> {
  const gpu = await sharedDevice();
  return gpu && !gpu.software
    ? { engine: "webgpu", adapter: gpu.adapter }
    : { engine: "cpu", adapter: "WebAssembly SIMD" };
}

/** The CPU engine that takes the place of an adapter that is none but by name: shaders run on the processor there, too. */
const inPlaceOf = <Engine extends object>(engine: Engine, { adapter }: GpuDevice): Engine & PassedOver =>
  Object.assign(engine, {
    passedOver: `${adapter} is a software adapter, no GPU: the CPU engine is several times faster here.`,
  });

/** Sequences that a GPU has enough to do with. */
const MAX_BATCH = 256;

const atOnce = (rows: number | undefined): { readonly maxBatch?: number } =>
  rows === undefined ? {} : { maxBatch: Math.min(rows, MAX_BATCH) };

const HOSTED =
  'Every step waits for the code of its environment, so there is nothing for a GPU to run ahead with: the CPU engine trains. With engine: "webgpu" the GPU makes the updates.';

/**
 * Whether an adapter refused our kernels, and so is no usable adapter. Too large is for the person to decide: the
 * processor would take it on, and never come to an end.
 */
function isRefusal(error: unknown): boolean {
  const { code } = asFulguriteError(error);
  return code.startsWith("gpu/") && code !== "gpu/memory" && code !== "gpu/dispatch";
}

/** The same for a language policy. */
export async function createLanguageEngine(
  shape: TransformerShape,
  seed: number,
  choice: AgenticJob["engine"],
  terms: EngineTerms,
): Promise<LanguageEngine> {
  const { rows, onMemory, now, checkpointing = false } = terms;
  if (choice !== "cpu") {
    const gpu = await sharedDevice();
    if (gpu?.software && choice === "auto")
      return inPlaceOf(await cpuLanguageEngine(shape, seed, terms), gpu);
    if (gpu) {
      try {
        if (now) gpu.turns.measureBy(now);
        const kernels = await languageVariant(gpu, terms);
        const options = {
          kernels,
          checkpointing,
          onMemory,
          ...atOnce(rows),
        };
        return await createWebGpuLanguageEngine(shape, { ...options, seed, device: gpu });
      } catch (error) {
        if (choice === "webgpu" || !isRefusal(error)) throw error;
      }
    } else if (choice === "webgpu") throw unavailable();
  }
  return cpuLanguageEngine(shape, seed, terms);
}

/**
 * Makes the engine for a job. "webgpu" without an adapter rejects with "gpu/unavailable"; "auto" takes the CPU there, and
 * on a software adapter, where it was 9 to 15 times faster in `bench/results` (gpt-step, cartpole-ppo, ppo-minibatch).
 */
export async function createEngine(
  request: EngineRequest,
  choice: SimulatedJob["engine"],
  terms: EngineTerms,
): Promise<TrainingEngine> {
  if (request.environment.host && choice === "auto") {
    return Object.assign(await cpuEngine(request, terms), { passedOver: HOSTED });
  }
  if (choice === "cpu") return cpuEngine(request, terms);
  const gpu = await sharedDevice();
  if (!gpu) {
    if (choice === "auto") return cpuEngine(request, terms);
    throw unavailable();
  }
  if (gpu.software && choice === "auto") return inPlaceOf(await cpuEngine(request, terms), gpu);
  try {
    if (terms.now) gpu.turns.measureBy(terms.now);
    return await checkedEngine(request, gpu, terms);
  } catch (error) {
    if (choice === "webgpu" || !isRefusal(error)) throw error;
    return cpuEngine(request, terms);
  }
}

/** The WebGPU engine, once what it runs of a person's text has proved to be the same there. */
async function checkedEngine(
  request: EngineRequest,
  gpu: GpuDevice,
  terms: EngineTerms,
): Promise<TrainingEngine> {
  const kernels = await policyVariant(gpu, request, terms);
  const [made, checked] = await Promise.allSettled([
    createWebGpuEngine(request, gpu, { kernels, onMemory: terms.onMemory }),
    checkPartsOnGpu(gpu, request),
  ]);
  if (made.status === "rejected") throw made.reason;
  if (checked.status === "fulfilled") return made.value;
  made.value.dispose();
  throw checked.reason;
}

const unavailable = (): FulguriteError =>
  new FulguriteError(
    "gpu/unavailable",
    "There is no WebGPU adapter here.",
    "Train on the CPU engine, or use a current Chrome, Edge or Safari on a machine with a GPU.",
  );

/** Engines as a trainer takes them. */
export const engines = { createEngine, createLanguageEngine };
