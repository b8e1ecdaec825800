import type { Environment } from "../env/environment.ts";
import { factorOffsets, policyHead } from "../kernels/action-space.ts";

/** What rl/rollout.wgsl and loss/ppo.wgsl want to know of a policy's distribution. */
export function headConstants(
  environment: Pick<Environment, "actions" | "actionCount" | "mask">,
  masked = environment.mask !== undefined,
): Record<string, number | boolean | string> {
  const head = policyHead(environment);
  if (head.kind === "gaussian") {
    const f32 = (x: number): string => `f32(${Math.fround(x)})`;
    return {
      ...{ GAUSSIAN: true, MASKED: false, DIMENSIONS: head.outputs, VECTOR: head.outputs > 1 },
      ...{ LOW: f32(head.low), HIGH: f32(head.high) },
    };
  }
  const offsets = factorOffsets(head.factors);
  const ranges = head.factors.flatMap((count, f) => [
    [`FIRST_${f}`, offsets[f]!],
    [`END_${f}`, offsets[f]! + count],
  ]);
  return {
    GAUSSIAN: false,
    VECTOR: false,
    MASKED: masked,
    FACTORED: head.factors.length > 1,
    FACTORS: head.factors.length,
    ...(Object.fromEntries(ranges) as Record<string, number>),
  };
}
