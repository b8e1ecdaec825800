import type { Contestant, MinibatchWork } from "../work/minibatch.ts";

/** The whole step in one `jit`, its arrays staying on the device. */
export function createJaxMinibatch(device: "webgpu" | "wasm", work: MinibatchWork): Promise<Contestant>;
