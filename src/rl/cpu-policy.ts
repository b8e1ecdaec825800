import { actorCriticTowers } from "../kernels/towers.ts";
import { WasmModule } from "../kernels/wasm/module.ts";
import { actorCriticLayout, type ActorCriticShape } from "../nn/parameter-layout.ts";
import { Arena, blockColumns, forward, networkBuffers } from "./cpu-network.ts";

/** The actor alone, for a block of observations at once. */
export interface CpuPolicy {
  readonly columns: number;
  /** Flat arena in the order of the layout. */
  readonly parameters: Float32Array;
  /** [observationSize x columns] */
  readonly observations: Float32Array;
  /** [outputs x columns], after `forward`: logits, or means. */
  readonly logits: Float32Array;
  forward(): void;
}

let last: { readonly key: string; readonly policy: CpuPolicy } | null = null;

/**
 * The policy network for `samples` observations at once, 64 where there are more. Compiled synchronously; the one
 * used last is kept and lent again if it is wide enough. A sample's logits have the same bits in any block.
 */
export function cpuPolicy(shape: ActorCriticShape, samples: number): CpuPolicy {
  const { observationSize } = shape;
  const columns = blockColumns(samples);
  const key = JSON.stringify(shape);
  if (last?.key === key && last.policy.columns >= columns) return last.policy;
  const layout = actorCriticLayout(shape);
  const towers = actorCriticTowers(layout);
  const arena = new Arena();
  const parameters = arena.allocate(layout.length);
  const buffers = networkBuffers(towers, columns, (count) => arena.allocate(count));
  const wasm = new WasmModule();
  wasm.importMemory("policy", "memory", arena.pages);
  wasm.define("forward", [], [], (body) => {
    forward(body, towers, parameters, buffers, "actor");
  });
  const memory = new WebAssembly.Memory({ initial: arena.pages });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm.encode()), { policy: { memory } });
  const view = (address: number, count: number): Float32Array =>
    new Float32Array(memory.buffer, address, count);
  const policy: CpuPolicy = {
    columns,
    parameters: view(parameters, layout.length),
    observations: view(buffers.observations, observationSize * columns),
    logits: view(buffers.actor.outputs.at(-1)!, towers.actor.at(-1)!.outputs * columns),
    forward: instance.exports["forward"] as () => void,
  };
  last = { key, policy };
  return policy;
}
