import type { GpuDevice } from "./device.ts";
import { FulguriteError } from "./error.ts";
import { assembleShader, type ShaderOptions } from "./shader-source.ts";

/** How a binding is declared in the shader; "scalars" is the uniform slot chosen by a dynamic offset. */
export type BindingKind = "scalars" | "read" | "write";

/** One shader: its source and its bindings of group 0, in order. Entry point `main`. */
export interface Kernel {
  /** Path under shaders/ without the ending, for example "rl/gae". */
  readonly name: string;
  readonly source: string;
  readonly bindings: readonly BindingKind[];
}

/** A kernel compiled with its constants. */
export interface CompiledKernel {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const bufferTypes = { scalars: "uniform", read: "read-only-storage", write: "storage" } as const;

/** Kernels a device keeps compiled; the longest unused ones go first. */
const KEPT_KERNELS = 256;

const keptKernels = new WeakMap<GpuDevice, Map<string, Promise<CompiledKernel>>>();

/**
 * Compiles off the main thread; call it for all kernels at once and await them together. What the device has compiled
 * before it has at once: a run started again, or with another reward, compiles what is new. Rejects with `gpu/shader`,
 * which names the kernel and quotes the line.
 */
export async function compileKernel(
  gpu: GpuDevice,
  kernel: Kernel,
  options: ShaderOptions,
): Promise<CompiledKernel> {
  const code = assembleShader(kernel.source, options);
  const key = `${kernel.name} ${kernel.bindings.join(" ")}\n${code}`;
  const kept = keptKernels.get(gpu) ?? new Map<string, Promise<CompiledKernel>>();
  keptKernels.set(gpu, kept);
  const compiled = kept.get(key) ?? compile(gpu, kernel, code);
  kept.delete(key);
  kept.set(key, compiled);
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_KERNELS) break;
    kept.delete(oldest);
  }
  compiled.catch(() => kept.delete(key));
  return compiled;
}

/** Compiles everything anew from here on. */
export function forgetKernels(gpu: GpuDevice): void {
  keptKernels.delete(gpu);
}

async function compile(gpu: GpuDevice, kernel: Kernel, code: string): Promise<CompiledKernel> {
  const { device, counters } = gpu;
  const module = device.createShaderModule({ label: kernel.name, code });
  const layout = device.createBindGroupLayout({
    label: kernel.name,
    entries: kernel.bindings.map((kind, binding) => ({
      binding,
      visibility: 4,
      buffer: { type: bufferTypes[kind], hasDynamicOffset: kind === "scalars" },
    })),
  });
  counters.pipelines++;
  try {
    const pipeline = await device.createComputePipelineAsync({
      label: kernel.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
    });
    return { kernel, pipeline, layout };
  } catch (cause) {
    const { messages } = await module.getCompilationInfo();
    const first = messages.find((message) => message.type === "error");
    const text = first ? code.split("\n")[first.lineNum - 1]?.trim() : undefined;
    throw new FulguriteError(
      "gpu/shader",
      first
        ? `${kernel.name}.wgsl does not compile: ${first.message}, at "${text ?? ""}"`
        : `${kernel.name}.wgsl cannot run on ${gpu.adapter}: ${String(cause)}`,
      "Train on the CPU engine and report this error with the adapter's name.",
      { cause },
    );
  }
}
