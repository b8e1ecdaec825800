/** One kernel's share of what was submitted. */
export interface KernelTime {
  readonly kernel: string;
  readonly dispatches: number;
  readonly milliseconds: number;
}

interface Taken {
  readonly labels: readonly string[];
  readonly stamps: GPUBuffer;
}

/** Timestamps of one submit; WebGPU's limit of a query set. */
const MOST_DISPATCHES = 2048;

/**
 * Measures every dispatch that `run` submits on `device`, by the label of its pipeline: each one gets a pass of its own
 * with a timestamp at either end. Knows nothing of who submits. The device needs "timestamp-query".
 */
export async function dispatchTimes(device: GPUDevice, run: () => Promise<unknown>): Promise<KernelTime[]> {
  const encoders = GPUCommandEncoder.prototype;
  const passes = GPUComputePassEncoder.prototype;
  const { beginComputePass, finish } = encoders;
  const labels = new WeakMap<GPUCommandEncoder, string[]>();
  const sets = new WeakMap<GPUCommandEncoder, GPUQuerySet>();
  const taken: Taken[] = [];

  encoders.beginComputePass = function (this: GPUCommandEncoder) {
    const mine = labels.get(this) ?? [];
    labels.set(this, mine);
    let set = sets.get(this);
    if (!set) {
      set = device.createQuerySet({ type: "timestamp", count: 2 * MOST_DISPATCHES });
      sets.set(this, set);
    }
    const querySet = set;
    const state: ((pass: GPUComputePassEncoder) => void)[] = [];
    let label = "";
    const dispatch = (go: (pass: GPUComputePassEncoder) => void): void => {
      const n = mine.push(label) - 1;
      if (n >= MOST_DISPATCHES) throw new Error(`more than ${MOST_DISPATCHES} dispatches in a submit`);
      const pass = beginComputePass.call(this, {
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * n, endOfPassWriteIndex: 2 * n + 1 },
      });
      for (const set of state) set(pass);
      go(pass);
      pass.end();
    };
    const stand: Partial<GPUComputePassEncoder> = {
      setPipeline: (pipeline) => {
        label = pipeline.label;
        state.length = 0;
        state.push((pass) => pass.setPipeline(pipeline));
      },
      setBindGroup: (...args: unknown[]) => {
        state.push((pass) => {
          (passes.setBindGroup as (...all: unknown[]) => void).apply(pass, args);
        });
      },
      dispatchWorkgroups: (x, y, z): undefined => {
        dispatch((pass) => pass.dispatchWorkgroups(x, y, z));
      },
      dispatchWorkgroupsIndirect: (buffer, offset): undefined => {
        dispatch((pass) => pass.dispatchWorkgroupsIndirect(buffer, offset));
      },
      end: () => undefined,
    };
    return stand as GPUComputePassEncoder;
  };
  encoders.finish = function (this: GPUCommandEncoder, descriptor) {
    const [mine, set] = [labels.get(this), sets.get(this)];
    if (mine && set && mine.length > 0) {
      const bytes = mine.length * 16;
      const resolved = device.createBuffer({ size: bytes, usage: 0x200 | 0x4 });
      const stamps = device.createBuffer({ size: bytes, usage: 0x1 | 0x8 });
      this.resolveQuerySet(set, 0, 2 * mine.length, resolved, 0);
      this.copyBufferToBuffer(resolved, 0, stamps, 0, bytes);
      taken.push({ labels: mine, stamps });
    }
    return finish.call(this, descriptor);
  };
  try {
    await run();
    await device.queue.onSubmittedWorkDone();
  } finally {
    encoders.beginComputePass = beginComputePass;
    encoders.finish = finish;
  }
  const kernels = new Map<string, { dispatches: number; milliseconds: number }>();
  for (const { labels: names, stamps } of taken) {
    await stamps.mapAsync(1);
    const ticks = new BigUint64Array(stamps.getMappedRange());
    names.forEach((name, n) => {
      const kernel = kernels.get(name) ?? { dispatches: 0, milliseconds: 0 };
      kernel.dispatches++;
      kernel.milliseconds += Number(ticks[2 * n + 1]! - ticks[2 * n]!) / 1e6;
      kernels.set(name, kernel);
    });
    stamps.destroy();
  }
  return [...kernels]
    .map(([kernel, times]) => ({ kernel, ...times }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}
