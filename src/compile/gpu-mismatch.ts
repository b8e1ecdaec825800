import type { GpuDevice } from "../gpu/device.ts";

/** The error of what a GPU computes otherwise than the CPU, but for its message. */
export const gpuMismatch = ({
  adapter,
}: GpuDevice): { readonly code: string; readonly where: string; readonly fix: string } => ({
  code: "compile/gpu-mismatch",
  where: `on ${adapter}`,
  fix: 'Train it with `engine: "cpu"`, and report it with the adapter\'s name: the GPU computes something else here.',
});
