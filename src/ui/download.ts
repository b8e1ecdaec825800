/** Offers content as a file; the browser asks where to put it, or puts it among the downloads. */
export function download(content: string | Uint8Array | Blob, name: string, type: string): void {
  const blob = content instanceof Blob ? content : new Blob([content as BlobPart], { type });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The click has taken hold of the blob by the next task.
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  });
}
