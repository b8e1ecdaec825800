import type { GptWork } from "../work/gpt.ts";
import type { Contestant } from "../work/minibatch.ts";

/** The whole step in one `jit`; its arrays stay on the device. */
export function createJaxGpt(device: "webgpu" | "wasm", work: GptWork): Promise<Contestant>;
