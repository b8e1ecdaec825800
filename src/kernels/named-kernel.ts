import type { BindingKind, CompiledKernel, Kernel } from "../gpu/kernel.ts";
import { compileKernel } from "../gpu/kernel.ts";
import type { GpuDevice } from "../gpu/device.ts";
import type { Dispatch, StaticPlan } from "../gpu/plan.ts";
import ancestors from "../../shaders/transformer/ancestors.wgsl?raw";
import batch from "../../shaders/transformer/batch.wgsl?raw";
import rotate from "../../shaders/transformer/rotate.wgsl?raw";

type Constants = Readonly<Record<string, number | boolean | string>>;

/**
 * A kernel whose bindings have names, since which it has depends on its variant. Binding `keys` is `KEYS_BINDING` in
 * the shader; binding 0 is the `Batch` of the dispatch.
 */
export interface NamedKernel extends Kernel {
  readonly names: readonly string[];
  readonly constants: Constants;
  /** Threads of a workgroup, where the kernel cannot do with others. */
  readonly workgroup?: number;
}

/** Bindings that are `false` are not part of this variant. */
export function namedKernel(
  name: string,
  source: string,
  bindings: Readonly<Record<string, BindingKind | false>>,
  constants: Constants,
): NamedKernel {
  const present = Object.entries(bindings).filter(
    (entry): entry is [string, BindingKind] => entry[1] !== false,
  );
  return {
    name,
    source,
    names: present.map(([key]) => key),
    bindings: ["scalars", ...present.map(([, kind]) => kind)],
    constants: {
      ...constants,
      ...Object.fromEntries(
        present.map(([key], i) => [
          `${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}_BINDING`,
          i + 1,
        ]),
      ),
    },
  };
}

/** A `NamedKernel` compiled with its workgroup size. */
export interface CompiledNamedKernel extends CompiledKernel {
  readonly kernel: NamedKernel;
  readonly workgroup: number;
}

const parts = {
  "transformer/ancestors.wgsl": ancestors,
  "transformer/batch.wgsl": batch,
  "transformer/rotate.wgsl": rotate,
};

/** With `workgroup` threads, or the number that the kernel insists on. */
export async function compileNamedKernel(
  gpu: GpuDevice,
  kernel: NamedKernel,
  workgroup: number,
): Promise<CompiledNamedKernel> {
  const threads = kernel.workgroup ?? workgroup;
  const constants = { ...kernel.constants, WORKGROUP: threads };
  return { ...(await compileKernel(gpu, kernel, { constants, parts })), kernel, workgroup: threads };
}

/** Binds buffers by name; what the variant does not have is ignored. The size comes with `encodeSized`. */
export function bindNamedKernel(
  plan: StaticPlan,
  compiled: CompiledNamedKernel,
  scalars: GPUBuffer,
  buffers: Readonly<Record<string, GPUBuffer | undefined>>,
): Dispatch {
  const list = compiled.kernel.names.map((name) => {
    const buffer = buffers[name];
    if (buffer === undefined) throw new Error(`${compiled.kernel.name}: no buffer "${name}"`);
    return buffer;
  });
  return plan.bind(compiled, [scalars, ...list], 1, compiled.workgroup);
}
