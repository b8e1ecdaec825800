import type { GpuVerdict } from "../train/check-definition.ts";

/** Where a definition was checked, for the end of a sentence; a failure has words of its own. */
export function checkedWhere(verdict: GpuVerdict | undefined): string {
  switch (verdict?.kind) {
    case "agrees":
      return `on CPU and GPU (${verdict.adapter})`;
    case "absent":
      return "on the CPU; no GPU here";
    default:
      return "on the CPU";
  }
}
