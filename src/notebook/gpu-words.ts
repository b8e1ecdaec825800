import type { GpuVerdict } from "../train/check-definition.ts";

/** Where a definition was checked, behind the words that say on what; nothing before that is known or where it failed. */
export function checkedWhere(verdict: GpuVerdict | null | undefined): string {
  switch (verdict?.kind) {
    case "agrees":
      return `, on CPU and GPU: ${verdict.adapter}`;
    case "absent":
      return ", on the CPU; no GPU here";
    default:
      return "";
  }
}
