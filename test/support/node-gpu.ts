import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const swiftShaderManifests = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
  "/snap/chromium/current/usr/lib/chromium-browser/vk_swiftshader_icd.json",
];

/**
 * Installs `navigator.gpu` in Node from the `webgpu` package (Dawn). On Linux without a GPU driver it points
 * the Vulkan loader at the SwiftShader that ships with Chromium. Returns null, and says so, where there is none.
 */
export async function installNodeGpu(): Promise<GPU | null> {
  if (typeof navigator === "object" && "gpu" in navigator) return navigator.gpu;
  if (process.platform === "linux" && !process.env["VK_ICD_FILENAMES"] && !existsSync("/dev/dri")) {
    const manifest = swiftShaderManifests.find((path) => existsSync(path));
    if (manifest) process.env["VK_ICD_FILENAMES"] = manifest;
  }
  process.env["XDG_RUNTIME_DIR"] ??= mkdtempSync(join(tmpdir(), "fulgurite-xdg-"));
  try {
    const { create, globals } = (await import("webgpu")) as unknown as {
      create(flags: string[]): GPU;
      globals: Record<string, unknown>;
    };
    Object.assign(globalThis, globals);
    const gpu = create([]);
    // Node 20 has no navigator.
    if (typeof globalThis.navigator !== "object") {
      Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
    }
    Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
    if ((await gpu.requestAdapter()) !== null) return gpu;
    console.warn("no WebGPU adapter in Node: GPU tests are skipped");
  } catch (error) {
    console.warn(`no WebGPU in Node (${String(error)}): GPU tests are skipped`);
  }
  return null;
}
