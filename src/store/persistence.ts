/**
 * Asks the browser to keep this site's data when space runs short. Only a page can ask (workers cannot), once,
 * after the first run worth keeping; Firefox then asks the person. Resolves with whether it is promised.
 */
export async function askToPersist(): Promise<boolean> {
  if (typeof navigator !== "object" || !("storage" in navigator)) return false;
  const { storage } = navigator;
  if (await storage.persisted()) return true;
  return typeof storage.persist === "function" && (await storage.persist());
}
