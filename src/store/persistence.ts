/**
 * Asks the browser to keep this site's data when space runs short: once, after the first run worth keeping.
 * Firefox then asks the person. Resolves with whether it is promised; null where nobody can ask, as in a
 * worker: its page has to.
 */
export async function askToPersist(): Promise<boolean | null> {
  const manager = storageManager();
  // Typed as always there, but workers have none.
  if (!manager || typeof manager.persist !== "function") return null;
  return (await manager.persisted()) || (await manager.persist());
}

/** Null on insecure origins. */
export const storageManager = (): StorageManager | null =>
  typeof navigator === "object" && "storage" in navigator ? navigator.storage : null;
