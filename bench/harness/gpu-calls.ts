/** What was asked of WebGPU while counting, by whatever library. */
export interface GpuCalls {
  dispatches: number;
  submits: number;
  bindGroups: number;
  buffers: number;
  /** Bytes of the buffers made and not yet destroyed, and their most so far. */
  bytes: number;
  mostBytes: number;
}

/**
 * Counts the calls of everybody from now on by wrapping WebGPU's prototypes; call before the first device is made, so
 * that all buffers are seen. Set the fields to 0 between contestants.
 */
export function countGpuCalls(): GpuCalls {
  const calls: GpuCalls = { dispatches: 0, submits: 0, bindGroups: 0, buffers: 0, bytes: 0, mostBytes: 0 };
  const wrap = <T extends object, K extends keyof T>(
    prototype: T,
    name: K,
    before: (self: T) => void,
  ): void => {
    const original = prototype[name] as (...args: unknown[]) => unknown;
    prototype[name] = function (this: T, ...args: unknown[]) {
      before(this);
      return original.apply(this, args);
    } as T[K];
  };
  wrap(GPUComputePassEncoder.prototype, "dispatchWorkgroups", () => calls.dispatches++);
  wrap(GPUQueue.prototype, "submit", () => calls.submits++);
  wrap(GPUDevice.prototype, "createBindGroup", () => calls.bindGroups++);
  const alive = new WeakSet<GPUBuffer>();
  const createBuffer = GPUDevice.prototype.createBuffer;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    alive.add(buffer);
    calls.buffers++;
    calls.bytes += descriptor.size;
    calls.mostBytes = Math.max(calls.mostBytes, calls.bytes);
    return buffer;
  };
  wrap(GPUBuffer.prototype, "destroy", (buffer) => {
    if (alive.delete(buffer)) calls.bytes -= buffer.size;
  });
  return calls;
}

/** Counts of one run of `step`; bytes are those before it plus its most. */
export async function callsOf(calls: GpuCalls, step: () => Promise<unknown>): Promise<GpuCalls> {
  const before = { ...calls };
  await step();
  return {
    dispatches: calls.dispatches - before.dispatches,
    submits: calls.submits - before.submits,
    bindGroups: calls.bindGroups - before.bindGroups,
    buffers: calls.buffers - before.buffers,
    bytes: calls.bytes,
    mostBytes: calls.mostBytes,
  };
}
