import { TransactionalStore } from "../../src/store/lightning-store.ts";
import type { StoredTables } from "../../src/store/memory-storage.ts";
import { schemaVersion, type Storage } from "../../src/store/storage.ts";
import golden from "../fixtures/store-version-2.json";
import { agenticUpdate, makeRollout } from "./agentic-batch.ts";
import { expectSame } from "./contract.ts";
import { decodeGolden } from "./golden-json.ts";

// The fixture was written by version 2 of the store (commit f63c75b): all of its tables, and what it read from them.

export const version2Tables = decodeGolden(golden.tables) as StoredTables;

const expected = decodeGolden(golden.expected) as {
  readonly runs: unknown;
  readonly spans: Readonly<Record<string, readonly unknown[]>>;
  readonly rollouts: Readonly<Record<string, readonly unknown[]>>;
  readonly checkpoint: unknown;
  readonly problems: unknown;
  readonly setting: unknown;
};

/** Everything that version 2 kept is there and counted, and the store goes on from it. */
export async function checkMigratedFrom2(storage: Storage): Promise<void> {
  const store = new TransactionalStore(storage);
  expectSame(await store.runs(), expected.runs, "runs");
  for (const [runId, spans] of Object.entries(expected.spans)) {
    expectSame(await store.spans({ runId }), spans, `spans of ${runId}`);
    expectSame((await store.statistics(runId)).spans, spans.length, `counted spans of ${runId}`);
  }
  const rollouts = expected.rollouts["01B"]!;
  expectSame(await store.rollouts({ runId: "01B" }), rollouts, "rollouts");
  expectSame(await store.checkpoint("01B"), expected.checkpoint, "checkpoint");
  expectSame(await store.problems(), expected.problems, "problems");
  expectSame(await store.setting("draft/cartpole"), expected.setting, "setting");
  const version = await storage.transaction(["meta"], { mode: "readonly" }, (transaction) =>
    transaction.get("meta", "schemaVersion"),
  );
  expectSame(version, schemaVersion, "version");
  const counted = async () => {
    const { statuses, rewards, attempts } = await store.statistics("01B");
    return { statuses, rewards, attempts };
  };
  const before = await counted();
  expectSame(before.statuses, { succeeded: 9, failed: 1, timeout: 1 }, "statuses");
  expectSame(before.attempts, 12, "attempts");
  expectSame(before.rewards, { train: { count: 8, sum: 3.25 }, evaluation: { count: 1, sum: 0 } }, "rewards");
  await store.commit(agenticUpdate("01B", 1, 4));
  expectSame(await counted(), before, "the same rollouts again");
  await store.commit({ rollouts: [makeRollout("01B", 11, 4, { reward: 2 })] });
  expectSame((await counted()).rewards.train, { count: 9, sum: 5.25 }, "one more");
}
