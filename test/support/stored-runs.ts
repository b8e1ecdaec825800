import type { Page } from "playwright-core";

export interface StoredRun {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly engine: string;
  readonly adapter: string;
  readonly update: number;
  readonly createdAt: number;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface StoredRollout {
  readonly mode: string;
  readonly update: number;
  readonly task: unknown;
  readonly result: unknown;
  readonly status: string;
  readonly reward: number | null;
  readonly advantage: number | null;
  readonly calls: number;
}

/** Runs, oldest first, and rollouts, straight from the page's IndexedDB. */
export const stored = (page: Page): Promise<{ runs: StoredRun[]; rollouts: StoredRollout[] }> =>
  page.evaluate(async () => {
    const [{ name }] = (await indexedDB.databases()) as [{ name: string }];
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const all = (table: string): Promise<unknown[]> =>
      new Promise((resolve, reject) => {
        const request = database.transaction(table).objectStore(table).getAll();
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const runs = (await all("runs")) as StoredRun[];
    const rollouts = (await all("rollouts")) as StoredRollout[];
    database.close();
    return { runs: runs.sort((a, b) => a.createdAt - b.createdAt), rollouts };
  });
