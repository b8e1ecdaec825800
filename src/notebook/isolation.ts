/** What a kernel found out about the realm it was started in. */
export interface Isolation {
  /** `self.origin`; "null" in an opaque realm. */
  readonly origin: string;
  /** Whether IndexedDB could be opened. */
  readonly storage: boolean;
  /** Whether `fetch` could reach anything. */
  readonly network: boolean;
}

/** Tries what a sandboxed kernel must not be able to do. */
export async function testIsolation(): Promise<Isolation> {
  return { origin: self.origin, storage: canOpenStorage(), network: await canFetch() };
}

/** Whether a person's cells may run there. */
export const isIsolated = (found: Isolation): boolean =>
  found.origin === "null" && !found.storage && !found.network;

function canOpenStorage(): boolean {
  try {
    // An opaque origin has no storage: the call itself throws.
    indexedDB.open("fulgurite-isolation-test");
    return true;
  } catch {
    return false;
  }
}

async function canFetch(): Promise<boolean> {
  try {
    // Needs no network to be answered, and the policy decides on it like on any other address.
    await fetch("data:text/plain,reached");
    return true;
  } catch {
    return false;
  }
}
