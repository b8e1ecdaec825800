import type { GpuDevice } from "./device.ts";
import { FulguriteError } from "./error.ts";

/** Whoever makes buffers: a device, or a plan of what would be made. */
export type BufferMaker = Pick<GpuDevice, "createBuffer" | "destroyBuffer">;

/** One buffer of a job that is not there yet. */
export interface PlannedBuffer {
  readonly label: string;
  readonly bytes: number;
}

/**
 * What a job would allocate: stands in for the device where its buffers are made, and makes none. So the plan cannot
 * differ from what is allocated afterwards by the same code.
 */
export class MemoryPlan implements BufferMaker {
  readonly buffers: PlannedBuffer[] = [];

  /** Of all buffers. */
  get bytes(): number {
    return this.buffers.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The largest of them. */
  get largest(): PlannedBuffer {
    return this.buffers.reduce((a, b) => (b.bytes > a.bytes ? b : a), { label: "", bytes: 0 });
  }

  createBuffer(label: string, bytes: number): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    this.buffers.push({ label, bytes: size });
    return { label, size, destroy: () => undefined } as unknown as GPUBuffer;
  }

  destroyBuffer(): void {
    // There is nothing to give back.
  }

  /**
   * Throws "gpu/memory" where a buffer is larger than the adapter binds; `reduce` says for a buffer's label what makes
   * it smaller.
   */
  check(gpu: GpuDevice, reduce: (label: string) => string): void {
    const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
    const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const { largest } = this;
    if (largest.bytes <= limit) return;
    throw new FulguriteError(
      "gpu/memory",
      `This run needs ${formatMegabytes(this.bytes)} on the GPU, ${formatMegabytes(largest.bytes)} of them in one piece for its ${largest.label}; ${gpu.adapter} allows ${formatMegabytes(limit)} in one piece.`,
      reduce(largest.label),
    );
  }
}

/** For people. */
export const formatMegabytes = (bytes: number): string =>
  `${(bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: bytes < 2 ** 24 ? 1 : 0 })} MB`;
