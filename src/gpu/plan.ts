import type { GpuDevice } from "./device.ts";
import type { BufferMaker } from "./memory-plan.ts";
import { compileKernel, type CompiledKernel, type Kernel } from "./kernel.ts";
import type { ShaderOptions } from "./shader-source.ts";

/** Bytes between two uniform slots: WebGPU's default alignment of dynamic offsets. */
export const SLOT_BYTES = 256;

/** One dispatch with everything that can be made beforehand. */
export interface Dispatch {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly hasSlot: boolean;
  readonly x: number;
  readonly y: number;
  readonly workgroup: number;
}

/** What a dispatch is made from. */
export interface Stage {
  readonly kernel: Kernel;
  /** The shader also gets WORKGROUP. */
  readonly constants: NonNullable<ShaderOptions["constants"]>;
  readonly parts?: NonNullable<ShaderOptions["parts"]>;
  /** In the order of the kernel's bindings. */
  readonly buffers: readonly GPUBuffer[];
  /** Threads wanted; rounded up to whole workgroups. */
  readonly invocations: number;
  readonly workgroup: number;
}

/**
 * Buffers and dispatches of one training job, made once; encoding a plan creates nothing. Per-step scalars
 * are data in uniform slots of `SLOT_BYTES`, chosen at encoding.
 */
export class StaticPlan {
  readonly gpu: GpuDevice;
  /** Makes the buffers. */
  readonly maker: BufferMaker;
  readonly #buffers: GPUBuffer[] = [];
  #offsets = new Uint32Array(0);

  /** Buffers are made by `maker`, the device itself where nobody else is given. */
  constructor(gpu: GpuDevice, maker: BufferMaker = gpu) {
    this.gpu = gpu;
    this.maker = maker;
  }

  /** A storage buffer of `length` 32-bit elements that can be copied to and from. */
  storage(label: string, length: number): GPUBuffer {
    return this.#keep(this.maker.createBuffer(label, length * 4, usage.storage));
  }

  /** Uniform slots for `scalars`, written whole with one `writeBuffer`. */
  slots(count: number): GPUBuffer {
    this.#offsets = Uint32Array.from({ length: count }, (_, slot) => slot * SLOT_BYTES);
    return this.#keep(this.maker.createBuffer("scalars", count * SLOT_BYTES, usage.uniform));
  }

  /**
   * Compiles a stage and binds its buffers; start all stages at once, they compile in parallel. More than 65,535
   * workgroups spill into y (shaders read `linear_workgroup`).
   */
  async stage(stage: Stage): Promise<Dispatch> {
    const { kernel, constants, parts, buffers, invocations, workgroup } = stage;
    if (buffers.length !== kernel.bindings.length) throw new Error(`${kernel.name}: wrong number of buffers`);
    const compiled = await compileKernel(this.gpu, kernel, {
      constants: { ...constants, WORKGROUP: workgroup },
      ...(parts === undefined ? {} : { parts }),
    });
    return this.bind(compiled, buffers, invocations, workgroup);
  }

  /** Binds a compiled kernel's buffers: for kernels that several plans share. */
  bind(
    { kernel, pipeline, layout }: CompiledKernel,
    buffers: readonly GPUBuffer[],
    invocations: number,
    workgroup: number,
  ): Dispatch {
    const groups = Math.ceil(invocations / workgroup);
    const y = Math.ceil(groups / 65_535);
    this.gpu.counters.bindGroups++;
    const bindGroup = this.gpu.device.createBindGroup({
      label: kernel.name,
      layout,
      entries: buffers.map((buffer, binding) => ({
        binding,
        resource: kernel.bindings[binding] === "scalars" ? { buffer, size: SLOT_BYTES } : { buffer },
      })),
    });
    return {
      label: kernel.name,
      pipeline,
      bindGroup,
      hasSlot: kernel.bindings.includes("scalars"),
      x: Math.ceil(groups / y),
      y,
      workgroup,
    };
  }

  encode(pass: GPUComputePassEncoder, dispatch: Dispatch, slot: number): void {
    this.#encode(pass, dispatch, slot, dispatch.x, dispatch.y);
  }

  /** As `encode`, over a number of invocations that may change from one submit to the next. */
  encodeSized(pass: GPUComputePassEncoder, dispatch: Dispatch, slot: number, invocations: number): void {
    const groups = Math.ceil(invocations / dispatch.workgroup);
    const y = Math.ceil(groups / 65_535);
    if (groups > 0) this.#encode(pass, dispatch, slot, Math.ceil(groups / y), y);
  }

  dispose(): void {
    for (const buffer of this.#buffers.splice(0)) this.maker.destroyBuffer(buffer);
  }

  #encode(pass: GPUComputePassEncoder, dispatch: Dispatch, slot: number, x: number, y: number): void {
    pass.setPipeline(dispatch.pipeline);
    if (dispatch.hasSlot) pass.setBindGroup(0, dispatch.bindGroup, this.#offsets, slot, 1);
    else pass.setBindGroup(0, dispatch.bindGroup);
    pass.dispatchWorkgroups(x, y);
    this.gpu.counters.dispatches++;
  }

  #keep(buffer: GPUBuffer): GPUBuffer {
    this.#buffers.push(buffer);
    return buffer;
  }
}

/** GPUBufferUsage by value: the constants are not global in every host. */
export const usage = {
  /** STORAGE | COPY_SRC | COPY_DST */
  storage: 0x80 | 0x4 | 0x8,
  /** UNIFORM | COPY_DST */
  uniform: 0x40 | 0x8,
  /** MAP_READ | COPY_DST */
  readback: 0x1 | 0x8,
} as const;
