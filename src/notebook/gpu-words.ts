import type { GpuVerdict } from "../train/check-definition.ts";

/** Where a definition was found right, behind the words that say on what; nothing before that is known. */
export function checkedWhere(verdict: GpuVerdict | null | undefined): string {
  switch (verdict?.kind) {
    case "agrees":
      return `, on CPU and GPU: ${verdict.adapter}`;
    case "absent":
      return ", on the CPU; no GPU here";
    case "failed":
      return ", on the CPU";
    default:
      return "";
  }
}
