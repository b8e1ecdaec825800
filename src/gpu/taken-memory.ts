import { bufferSize, deviceLost, type GpuDevice } from "./device.ts";
import { FulguriteError } from "./error.ts";
import { formatMegabytes, type BufferMaker, type MemoryPlan, type PlannedBuffer } from "./memory-plan.ts";

/** The buffers of a plan, on the device: whoever planned one gets it from here, once. */
export class TakenMemory implements BufferMaker {
  readonly #gpu: GpuDevice;
  /** Not handed out yet; those of a key are as good as each other. */
  readonly #waiting = new Map<string, GPUBuffer[]>();
  readonly #alive = new Set<GPUBuffer>();

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu;
  }

  /** Whether the device had room for them; they are there either way, to be given back. */
  async take(buffers: readonly PlannedBuffer[]): Promise<GPUError | null> {
    const { device } = this.#gpu;
    // Pushed and popped in one go: nobody else's buffers come in between.
    device.pushErrorScope("out-of-memory");
    for (const { label, bytes, usage } of buffers) {
      const key = keyOf(label, bytes, usage);
      const buffer = this.#gpu.createBuffer(label, bytes, usage);
      this.#alive.add(buffer);
      const alike = this.#waiting.get(key);
      if (alike) alike.push(buffer);
      else this.#waiting.set(key, [buffer]);
    }
    try {
      return await device.popErrorScope();
    } catch (cause) {
      throw deviceLost(String(cause));
    }
  }

  /** Throws where the plan had no such buffer, or not so many. */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const buffer = this.#waiting.get(keyOf(label, bufferSize(bytes), usage))?.pop();
    if (!buffer) throw new Error(`the buffer "${label}" of ${bytes} bytes was not planned`);
    return buffer;
  }

  destroyBuffer(buffer: GPUBuffer): void {
    if (this.#alive.delete(buffer)) this.#gpu.destroyBuffer(buffer);
  }

  /** Gives back all that nobody gave back, handed out or not. */
  dispose(): void {
    this.#waiting.clear();
    for (const buffer of this.#alive) this.destroyBuffer(buffer);
  }
}

const keyOf = (label: string, bytes: number, usage: GPUBufferUsageFlags): string =>
  `${label}, ${bytes}, ${usage}`;

/**
 * Takes all that was planned at once: WebGPU tells of room only when it is taken. Rejects with "gpu/memory" where the adapter
 * has too little, with nothing taken and what to reduce, by the label of what most of it is for.
 */
export async function takeMemory(
  gpu: GpuDevice,
  plan: MemoryPlan,
  reduce: (label: string) => string,
): Promise<TakenMemory> {
  const taken = new TakenMemory(gpu);
  // The largest alone: where there is no room for it, no time goes into the others.
  const [largest, ...others] = plan.buffers.toSorted((a, b) => b.bytes - a.bytes);
  let refusal: GPUError | null = null;
  try {
    if (largest) refusal = (await taken.take([largest])) ?? (await taken.take(others));
  } catch (error) {
    taken.dispose();
    throw error;
  }
  if (refusal === null) return taken;
  taken.dispose();
  const { bytes, mostly } = plan;
  throw new FulguriteError(
    "gpu/memory",
    `This run needs ${formatMegabytes(bytes)} on the GPU, ${formatMegabytes(mostly.bytes)} of them for its ${mostly.label}, and ${gpu.adapter} has no room for that.`,
    `${reduce(mostly.label)} Or stop other runs, and close other tabs that use the GPU.`,
    { cause: refusal },
  );
}
