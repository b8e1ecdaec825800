import { TransactionalStore } from "../../src/store/lightning-store.ts";
import type { StoredTables } from "../../src/store/memory-storage.ts";
import { schemaVersion, type Storage } from "../../src/store/storage.ts";
import golden from "../fixtures/store-version-1.json";
import { agenticUpdate } from "./agentic-batch.ts";
import { expectSame, makeRun } from "./contract.ts";
import { decodeGolden } from "./golden-json.ts";

// The fixture was written by version 1 of the store (commit 6a1552f): all of its tables, and what it read from them.

export const version1Tables = decodeGolden(golden.tables) as StoredTables;

const expected = decodeGolden(golden.expected) as {
  readonly runs: unknown;
  readonly spans: Readonly<Record<string, unknown>>;
  readonly checkpoint: unknown;
  readonly problems: unknown;
  readonly setting: unknown;
};

/** Everything that version 1 kept is there, and the store goes on from it. */
export async function checkMigrated(storage: Storage): Promise<void> {
  const store = new TransactionalStore(storage);
  expectSame(await store.runs(), expected.runs, "runs");
  for (const [runId, spans] of Object.entries(expected.spans)) {
    expectSame(await store.spans({ runId }), spans, `spans of ${runId}`);
    expectSame(await store.spans({ runId, rolloutId: "none such" }), [], `a rollout of ${runId}`);
  }
  const ofRollout = (expected.spans["01B"] as { rolloutId: string | null }[]).filter(
    ({ rolloutId }) => rolloutId === "rollout-1",
  );
  expectSame(await store.spans({ runId: "01B", rolloutId: "rollout-1" }), ofRollout, "by rollout");
  expectSame(await store.checkpoint("01A"), expected.checkpoint, "checkpoint");
  expectSame(await store.problems(), expected.problems, "problems");
  expectSame(await store.setting("draft/cartpole"), expected.setting, "setting");
  const version = await storage.transaction(["meta"], { mode: "readonly" }, (transaction) =>
    transaction.get("meta", "schemaVersion"),
  );
  expectSame(version, schemaVersion, "version");
  await store.commit({ spans: expected.spans["01B"] as never });
  expectSame(await store.spans({ runId: "01B" }), expected.spans["01B"], "still once");
  const late = await store.commit({ run: makeRun("01D") }).catch((error: unknown) => error);
  expectSame((late as { code?: string } | undefined)?.code, "store/run-deleted", "deleted run");
  await store.commit({ run: makeRun("01A", { status: "running" }), ...agenticUpdate("01A", 99, 4) });
  await store.seal("01A");
  expectSame((await store.rollouts({ runId: "01A", update: 99 })).length, 4, "new rollouts");
  expectSame((await store.spans({ runId: "01A" })).length, 25 + 13, "new spans");
}
