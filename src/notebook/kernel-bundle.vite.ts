import type { Plugin } from "vite";
/** Placeholder until the notebook room brings the real plugin. */
export function kernelBundle(): Plugin {
  return { name: "fulgurite-kernel-bundle" };
}
