import type { HeldUp } from "./protocol.ts";

/** Why a cell that runs by itself does not, behind the name of the cell that it needs. */
export function heldUpWords({ because }: HeldUp): string {
  switch (because) {
    case "failed":
      return "failed";
    case "stopped":
      return "was stopped";
    case "open":
      return "has not run yet";
  }
}
