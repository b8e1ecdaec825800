/** What people call an engine. */
export const engineWord = (engine: string): string => (engine === "webgpu" ? "WebGPU" : "CPU engine");
