import { createWriteStream, openAsBlob } from "node:fs";
import { rename } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { openCommandStore } from "./command-store.ts";

/** `fulgurite save`: everything that the store in a folder holds, as one file. Returns the exit code. */
export async function saveWorkspace(folder: string, out: string): Promise<number> {
  const store = await openCommandStore(folder);
  try {
    // Beside it first: a file that was there stays until the new one is whole.
    await pipeline(Readable.from(store.saveWorkspace()), createWriteStream(`${out}.part`));
    await rename(`${out}.part`, out);
    const runs = await store.runs();
    console.error(`saved ${runs.length} runs in ${out}`);
    return 0;
  } finally {
    store.close();
  }
}

/** `fulgurite open`: takes over what a saved workspace holds and the store in a folder does not. Returns the exit code. */
export async function openWorkspace(file: string, folder: string): Promise<number> {
  const store = await openCommandStore(folder);
  try {
    const { runs, kept } = await store.openWorkspace(await openAsBlob(file));
    const stay = kept.length > 0 ? `; ${kept.length} were there already and stay as they are` : "";
    console.error(`opened ${runs.length} runs${stay}`);
    return 0;
  } finally {
    store.close();
  }
}
