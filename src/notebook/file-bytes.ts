import { FulguriteError } from "../gpu/error.ts";
import type { InputFile } from "./input-spec.ts";

/** What a worker has, and neither a page nor Node: reads a file while the cell waits. */
type SynchronousReader = new () => { readAsArrayBuffer(content: Blob): ArrayBuffer };

const known = new WeakMap<Blob, Uint8Array<ArrayBuffer>>();

/** Bytes of a file that was chosen, read once. Throws "notebook/input" where the browser cannot read it. */
export function fileBytes({ name, content }: InputFile): Uint8Array<ArrayBuffer> {
  const before = known.get(content);
  if (before) return before;
  const { FileReaderSync } = globalThis as { readonly FileReaderSync?: SynchronousReader };
  try {
    const bytes = new Uint8Array(new FileReaderSync!().readAsArrayBuffer(content));
    known.set(content, bytes);
    return bytes;
  } catch (cause) {
    throw new FulguriteError(
      "notebook/input",
      `"${name}", of ${Math.ceil(content.size / 1e6).toLocaleString("en")} MB, cannot be read: it was changed or moved since it was chosen, or there is no memory for it.`,
      "Choose it again; if that does not help, take a smaller one.",
      { cause },
    );
  }
}
