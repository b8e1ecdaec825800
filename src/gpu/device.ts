import { FulguriteError } from "./error.ts";
import { ALONE_SECONDS, submitPieces, SubmitTurns, type WorkUnit } from "./submit-turns.ts";

/** GPU objects made and work submitted so far; in a run's steady state only the last two grow. */
export interface GpuCounters {
  buffers: number;
  bindGroups: number;
  pipelines: number;
  submits: number;
  dispatches: number;
  /** Buffers that are there, and their bytes. */
  alive: number;
  bytes: number;
}

/** A software adapter's memory is the machine's: as much as a tab has on the CPU engine. */
const SOFTWARE_BUDGET = 2 ** 32;

/** One WebGPU device with its adapter's name, its counters, and its loss as a promise. */
export class GpuDevice {
  readonly device: GPUDevice;
  /** For example "swiftshader (google)". */
  readonly adapter: string;
  /** A software rasteriser: barriers and small dispatches cost more than arithmetic there. */
  readonly software: boolean;
  /** Kernels can share loads among four lanes (quadBroadcast). */
  readonly canShareQuads: boolean;
  /** They are expected to gain by it: loads are what takes the time of software adapters, which read lane by lane. */
  readonly quads: boolean;
  readonly counters: GpuCounters = {
    buffers: 0,
    bindGroups: 0,
    pipelines: 0,
    submits: 0,
    dispatches: 0,
    alive: 0,
    bytes: 0,
  };
  /** Bytes that the buffers of all its jobs may come to; see `openGpuDevice`. */
  readonly memoryBudget: number;
  /** By which the jobs of this device take turns. */
  readonly turns: SubmitTurns;
  /** Resolves with the reason when the device is lost; stays pending after `dispose()`. */
  readonly lost: Promise<string>;
  #lostReason: string | null = null;
  #disposed = false;
  #failure: GPUError | null = null;

  constructor(device: GPUDevice, info: Partial<GPUAdapterInfo>, memoryBudget?: number) {
    this.device = device;
    this.adapter = adapterText(info);
    this.software =
      info.isFallbackAdapter === true ||
      /swiftshader|llvmpipe|lavapipe|warp|basic render/i.test(this.adapter);
    this.canShareQuads = device.features.has("subgroups") && (info.subgroupMinSize ?? 0) >= 4;
    this.memoryBudget = memoryBudget ?? (this.software ? SOFTWARE_BUDGET : Infinity);
    this.quads = this.software && this.canShareQuads;
    this.turns = new SubmitTurns(() => device.queue.onSubmittedWorkDone());
    this.lost = new Promise((resolve) => {
      void device.lost.then(({ reason, message }) => {
        this.#lostReason = message || reason;
        if (!this.#disposed) resolve(this.#lostReason);
      });
    });
    device.addEventListener("uncapturederror", ({ error }) => (this.#failure ??= error));
  }

  /** A zeroed buffer; count and bytes are kept. */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const limit = this.device.limits.maxBufferSize;
    if (bytes > limit) {
      throw new FulguriteError(
        "gpu/buffer-size",
        `The buffer "${label}" needs ${bytes} bytes, and ${this.adapter} allows ${limit}.`,
        "Use fewer environments, fewer steps or a smaller minibatch.",
      );
    }
    const size = bufferSize(bytes);
    this.counters.buffers++;
    this.counters.alive++;
    this.counters.bytes += size;
    return this.device.createBuffer({ label, size, usage });
  }

  destroyBuffer(buffer: GPUBuffer): void {
    this.counters.alive--;
    this.counters.bytes -= buffer.size;
    buffer.destroy();
  }

  submit(encoder: GPUCommandEncoder): void {
    this.counters.submits++;
    this.device.queue.submit([encoder.finish()]);
  }

  /**
   * Submits units of work in order, in as many submits as it takes for each to be short: in turns with the other jobs
   * of this device, or at once where there are none. `encode` fills each submit just before it goes; what it throws rejects.
   */
  async submitUnits<Unit extends WorkUnit>(
    units: readonly Unit[],
    encode: (encoder: GPUCommandEncoder, piece: readonly Unit[]) => void,
  ): Promise<void> {
    const submit = (piece: readonly Unit[]): void => {
      const encoder = this.device.createCommandEncoder();
      encode(encoder, piece);
      this.submit(encoder);
    };
    if (!this.turns.contended) submitPieces(units, ALONE_SECONDS).forEach(submit);
    else for (const piece of this.turns.pieces(units)) await this.turns.take(submit, piece);
  }

  /**
   * Throws `gpu/lost` after the device went away, `gpu/memory` where it had no room for something that no plan had, and
   * `gpu/validation` if WebGPU reported another error nobody caught.
   */
  check(): void {
    if (this.#lostReason !== null) throw deviceLost(this.#lostReason);
    if (this.#failure === null) return;
    const { message } = this.#failure;
    if (typeof GPUOutOfMemoryError === "function" && this.#failure instanceof GPUOutOfMemoryError) {
      throw new FulguriteError(
        "gpu/memory",
        `${this.adapter} has no room left: ${message}`,
        "Reload the page, and stop other runs and tabs that use the GPU before this one goes on.",
      );
    }
    throw new FulguriteError(
      "gpu/validation",
      `WebGPU reported an error: ${message}`,
      "Train on the CPU engine and report this error with the adapter's name.",
    );
  }

  dispose(): void {
    this.#disposed = true;
    this.device.destroy();
  }
}

/** Bytes of a buffer that is to hold `bytes`. */
export const bufferSize = (bytes: number): number => Math.max(16, Math.ceil(bytes / 16) * 16);

/** The error of everything that was on its way when the device went. */
export const deviceLost = (reason: string): FulguriteError =>
  new FulguriteError(
    "gpu/lost",
    `The GPU device was lost: ${reason}`,
    "Resume the run; it goes on from its last checkpoint.",
  );

/** `description || device || architecture (vendor)`; the architecture is added where the name hides it. */
export function adapterText(info: Partial<GPUAdapterInfo>): string {
  const { description = "", device = "", architecture = "", vendor = "" } = info;
  const name = description || device || architecture || "unknown adapter";
  const more = [vendor, name === architecture ? "" : architecture].filter((word) => word !== "");
  return more.length === 0 ? name : `${name} (${more.join(" ")})`;
}

/**
 * Opens a device on the fastest adapter of `gpu` (`navigator.gpu`, or Dawn's in Node), with default limits but
 * for buffer sizes, and with timestamps and subgroups where the adapter has them. Null where there is no adapter or it refuses.
 * `memoryBudget` limits the bytes of all its jobs together: by default 4 GiB on a software adapter, whose memory is the
 * machine's, and elsewhere none, as WebGPU does not say how much there is.
 */
export async function openGpuDevice(
  gpu: GPU | null | undefined,
  { memoryBudget }: { readonly memoryBudget?: number } = {},
): Promise<GpuDevice | null> {
  try {
    const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) return null;
    const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
    const device = await adapter.requestDevice({
      requiredFeatures: (["timestamp-query", "subgroups"] as const).filter((name) =>
        adapter.features.has(name),
      ),
      requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
    });
    return new GpuDevice(device, adapter.info, memoryBudget);
  } catch {
    return null;
  }
}
