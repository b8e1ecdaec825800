import { adapterText, openGpuDevice } from "../../src/gpu/device.ts";
import { installNodeGpu } from "../../test/support/node-gpu.ts";
import type { Bench, Measurement, PageContext } from "./bench.ts";
import { dispatchTimes, type KernelTime } from "./dispatch-times.ts";
import { profiles } from "./profiles.ts";

/** Page benches in this process, over Dawn: for a machine with a GPU and no browser. */
export const runInNode = {
  async adapter(): Promise<string> {
    const gpu = await installNodeGpu();
    const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
    return adapter ? adapterText(adapter.info) : "none";
  },

  async profile(name: string): Promise<readonly KernelTime[]> {
    const gpu = await openGpuDevice(await installNodeGpu());
    if (!gpu?.device.features.has("timestamp-query")) throw new Error("The adapter has no timestamps.");
    return dispatchTimes(gpu.device, await profiles[name]!(gpu));
  },

  run(
    bench: Extract<Bench, { readonly where: "page" }>,
    context: Omit<PageContext, "isolated">,
  ): Promise<readonly Measurement[]> {
    return bench.run({ ...context, isolated: false });
  },
};
