/**
 * Gives Node a `navigator.gpu` from the optional `webgpu` package (Dawn), where it is installed and finds a
 * GPU. Without one, training takes the CPU engine. Returns what keeps Dawn alive.
 */
export async function installNodeGpu(): Promise<unknown> {
  if (typeof navigator === "object" && "gpu" in navigator) return null;
  try {
    const name = "webgpu";
    const dawn = (await import(/* @vite-ignore */ name)) as {
      create(flags: string[]): GPU;
      globals: Record<string, unknown>;
    };
    const gpu = dawn.create([]);
    if ((await gpu.requestAdapter()) === null) return null;
    Object.assign(globalThis, dawn.globals);
    // Node 20 has no navigator.
    if (typeof globalThis.navigator !== "object") {
      Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
    }
    Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
    return gpu;
  } catch {
    return null;
  }
}
