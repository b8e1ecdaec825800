import type { GpuDevice } from "./device.ts";
import { FulguriteError } from "./error.ts";

/** Drivers reset a device whose dispatch takes a second or two; they see to the screen first. */
export const DISPATCH_LIMIT_SECONDS = 0.5;

/** Arithmetic operations a second that our kernels are expected to do: SwiftShader on two cores 3.4e9, a small GPU 300e9. */
export const expectedRate = ({ software }: Pick<GpuDevice, "software">): number => (software ? 3e9 : 300e9);

/**
 * Throws "gpu/dispatch" where one dispatch of a run, expected to take `seconds`, would take longer than others, and the
 * driver, should wait for. `reduce` says what makes it shorter.
 */
export function checkDispatch(
  { adapter }: Pick<GpuDevice, "adapter">,
  seconds: number,
  reduce: string,
): void {
  if (seconds <= DISPATCH_LIMIT_SECONDS) return;
  throw new FulguriteError(
    "gpu/dispatch",
    `One dispatch of this run would keep ${adapter} busy for about ${seconds.toFixed(1)} s, and ${DISPATCH_LIMIT_SECONDS} s is the limit.`,
    reduce,
  );
}
