import kernelScript from "virtual:fulgurite-kernel";
import { FulguriteError } from "../gpu/error.ts";
import { startSandbox } from "./frame-sandbox.ts";
import type { KernelLink } from "./kernel-link.ts";

/**
 * Starts a kernel in the sandbox, from the script that was built with the page; `kernelPage` is the address of
 * kernel.html, by default beside the page. Rejects with `FulguriteError` as `startSandbox` does.
 */
export async function createSandboxedKernel(
  options: { readonly kernelPage?: string } = {},
): Promise<KernelLink> {
  const response = await fetch(kernelScript);
  if (!response.ok) {
    throw new FulguriteError(
      "notebook/kernel",
      `The notebook's kernel did not start: its script answered ${response.status}.`,
      "Reload the page; if that does not help, try another browser.",
    );
  }
  const url = options.kernelPage ?? new URL("kernel.html", document.baseURI).href;
  return startSandbox(await response.text(), { page: { url } });
}
