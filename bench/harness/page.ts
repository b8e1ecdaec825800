import type { Bench, Measurement } from "./bench.ts";
import { adapterText, openGpuDevice } from "../../src/gpu/device.ts";
import { dispatchTimes, type KernelTime } from "./dispatch-times.ts";
import { profiles } from "./profiles.ts";

const benches = import.meta.glob<{ readonly default: Bench }>("../*.bench.ts");

/** What main.ts calls from outside. */
declare global {
  interface Window {
    benchReady: boolean;
    adapter(): Promise<string>;
    bench(name: string, peers: boolean): Promise<readonly Measurement[]>;
    profile(name: string): Promise<readonly KernelTime[]>;
  }
}

window.adapter = async () => {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  return adapter ? adapterText(adapter.info) : "none";
};
window.bench = async (name, peers) => {
  const { default: bench } = await benches[`../${name}.bench.ts`]!();
  if (bench.where !== "page") throw new Error(`${name} does not run in a page`);
  return bench.run({ progress: (text) => console.info(text), isolated: crossOriginIsolated, peers });
};
window.profile = async (name) => {
  const gpu = await openGpuDevice(navigator.gpu);
  if (!gpu?.device.features.has("timestamp-query")) throw new Error("The adapter has no timestamps.");
  return dispatchTimes(gpu.device, await profiles[name]!(gpu));
};
window.benchReady = true;
