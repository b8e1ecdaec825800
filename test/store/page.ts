import { curveColumns } from "../../src/store/curve.ts";
import { IndexedDbStorage } from "../../src/store/indexeddb-storage.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import { openStore } from "../../src/store/open.ts";
import { agenticContract } from "./agentic-contract.ts";
import { contract, expectCode, makeRun, updates } from "./contract.ts";
import { ingest, inspect } from "./killed-ingest.ts";
import golden3 from "../fixtures/store-version-3.json";
import golden4 from "../fixtures/store-version-4.json";
import { checkGolden, type Golden } from "./golden-content.ts";
import { decodeGolden } from "./golden-json.ts";
import type { StoredTables } from "../../src/store/memory-storage.ts";
import type { Storage } from "../../src/store/storage.ts";
import { queueContract } from "./queue-contract.ts";
import { prepareTabs, workInTab, wrongAfterTabs } from "./tabs.ts";
import { upkeepContract } from "./upkeep-contract.ts";
import { workspaceContract } from "./workspace-contract.ts";
import { checkMigrated, version1Tables } from "./version-1.ts";
import { checkMigratedFrom2, version2Tables } from "./version-2.ts";

const cases = { ...contract, ...agenticContract, ...queueContract, ...upkeepContract, ...workspaceContract };

/** What went wrong; null when nothing did. */
async function outcome(work: Promise<void>): Promise<string | null> {
  return work.then(
    () => null,
    (error: unknown) => (error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error)),
  );
}

/** Runs one case of the contract over a fresh IndexedDB; null when it passes. */
async function runContract(name: string): Promise<string | null> {
  const storages: IndexedDbStorage[] = [];
  const open = (): IndexedDbStorage => {
    const storage = new IndexedDbStorage(`contract: ${name}`);
    storages.push(storage);
    return storage;
  };
  const result = await outcome(cases[name]!(open));
  for (const storage of storages) storage.close();
  return result;
}

/** From version 3 on all golden files are made of the same and checked alike. */
const alike = (golden: Golden) => ({
  tables: decodeGolden(golden.tables) as StoredTables,
  check: (storage: Storage) => checkGolden(storage, golden),
});

const past = {
  1: { tables: version1Tables, check: checkMigrated },
  2: { tables: version2Tables, check: checkMigratedFrom2 },
  3: alike(golden3),
  4: alike(golden4),
};
export type PastVersion = keyof typeof past;

/** A database as an older version made it, with its rows; the connection stays open and does not let go by itself. */
function writeVersion(name: string, version: PastVersion): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => {
      for (const [table, rows] of Object.entries(past[version].tables)) {
        const store = request.result.createObjectStore(table);
        for (const { key, value } of rows) store.put(value, typeof key === "string" ? key : [...key]);
      }
    };
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error(`version ${version} could not be written`, { cause: request.error }));
    };
  });
}

/** Opens what an older version wrote while an old tab holds it, then after that tab let go; null when all is well. */
async function runMigration(version: PastVersion): Promise<string | null> {
  const name = `version ${version}`;
  const old = await writeVersion(name, version);
  const storage = new IndexedDbStorage(name, { patience: 50 });
  const work = async (): Promise<void> => {
    await expectCode(new TransactionalStore(storage).runs(), "store/blocked");
    old.close();
    await past[version].check(storage);
  };
  const result = await outcome(work());
  old.close();
  storage.close();
  return result;
}

export const harness = {
  runContract,
  runMigration,
  ingest,
  prepareTabs,
  workInTab,
  wrongAfterTabs,
  inspect,
  openStore,
  makeRun,
  updates,
  curveColumns,
};
export type Harness = typeof harness;
Object.assign(globalThis, { harness });
