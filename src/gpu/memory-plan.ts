import { bufferSize, type GpuDevice } from "./device.ts";
import { FulguriteError } from "./error.ts";

/** Whoever makes buffers: a device, or a plan of what would be made. */
export type BufferMaker = Pick<GpuDevice, "createBuffer" | "destroyBuffer">;

/** One buffer of a job that is not there yet. */
export interface PlannedBuffer {
  readonly label: string;
  readonly bytes: number;
  readonly usage: GPUBufferUsageFlags;
}

/** Bytes of a purpose: of all buffers whose labels differ in a number alone. */
export interface Share {
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
  get largest(): Share {
    return this.buffers.reduce<Share>((a, b) => (b.bytes > a.bytes ? b : a), { label: "", bytes: 0 });
  }

  /** What most of it is for. */
  get mostly(): Share {
    const sums = new Map<string, number>();
    for (const { label, bytes } of this.buffers) {
      const purpose = label.replace(/ \d.*$/, "");
      sums.set(purpose, (sums.get(purpose) ?? 0) + bytes);
    }
    return [...sums].reduce<Share>((a, [label, bytes]) => (bytes > a.bytes ? { label, bytes } : a), {
      label: "",
      bytes: 0,
    });
  }

  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags = 0): GPUBuffer {
    const size = bufferSize(bytes);
    this.buffers.push({ label, bytes: size, usage });
    return { label, size, destroy: () => undefined } as unknown as GPUBuffer;
  }

  destroyBuffer(): void {
    // There is nothing to give back.
  }

  /**
   * Throws "gpu/memory" where a buffer is larger than the adapter binds, or where all of them come to more than the device's
   * budget beside what is there; `reduce` says for a buffer's label what makes it smaller.
   */
  check(gpu: GpuDevice, reduce: (label: string) => string): void {
    const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
    const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const { largest, mostly } = this;
    if (largest.bytes > limit) {
      throw new FulguriteError(
        "gpu/memory",
        `This run needs ${formatMegabytes(this.bytes)} on the GPU, ${formatMegabytes(largest.bytes)} of them in one piece for its ${largest.label}; ${gpu.adapter} allows ${formatMegabytes(limit)} in one piece.`,
        reduce(largest.label),
      );
    }
    const { bytes: taken } = gpu.counters;
    if (taken + this.bytes <= gpu.memoryBudget) return;
    throw new FulguriteError(
      "gpu/memory",
      `This run needs ${formatMegabytes(this.bytes)} on the GPU, ${formatMegabytes(mostly.bytes)} of them for its ${mostly.label}; of ${formatMegabytes(gpu.memoryBudget)} for all runs on ${gpu.adapter} ${formatMegabytes(Math.max(0, gpu.memoryBudget - taken))} are free.`,
      taken === 0 ? reduce(mostly.label) : `${reduce(mostly.label)} Or stop other runs.`,
    );
  }
}

/** For people, in the units of the page: of 1,000,000 bytes. */
export const formatMegabytes = (bytes: number): string =>
  `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: bytes < 16e6 ? 1 : 0 })} MB`;
