import { openDB, type IDBPDatabase } from "idb";
import type { Span } from "../../src/store/records.ts";
import type { Contestant, Found } from "./store-contestant.ts";

const rewardName = "agentlightning.annotation";
const score = "gen_ai.evaluation.score.value";

/** What one would write first: a record a span, key [run, rollout, sequence], an index on run and name. */
export async function makeIdbRecords(): Promise<Contestant> {
  const open = (): Promise<IDBPDatabase> =>
    openDB("idb-records", 1, {
      upgrade(database) {
        const spans = database.createObjectStore("spans");
        spans.createIndex("name", ["runId", "name"]);
      },
    });
  let database = await open();
  const tally = (spans: readonly Span[], found: Found): Found => {
    let { rows, sum } = found;
    for (const { tokens } of spans) {
      rows++;
      if (tokens) for (const value of tokens.logProbabilities) sum += value;
    }
    return { rows, sum };
  };
  return {
    async write(_runId, spans) {
      const transaction = database.transaction("spans", "readwrite", { durability: "relaxed" });
      for (const span of spans)
        void transaction.store.put(span, [span.runId, span.rolloutId!, span.sequence]);
      await transaction.done;
    },
    finish: () => Promise.resolve(),
    async byRollout(runId, number) {
      const id = `${runId}/${number}`;
      const spans = (await database.getAll(
        "spans",
        IDBKeyRange.bound([runId, id], [runId, id, []]),
      )) as Span[];
      return tally(spans, { rows: 0, sum: 0 });
    },
    async meanReward(runId) {
      const range = IDBKeyRange.only([runId, rewardName]);
      const spans = (await database.getAllFromIndex("spans", "name", range)) as Span[];
      return spans.reduce((sum, { attributes }) => sum + Number(attributes[score]), 0) / spans.length;
    },
    async scan(runIds) {
      let found: Found = { rows: 0, sum: 0 };
      for (const runId of runIds) {
        let range = IDBKeyRange.bound([runId], [runId, []]);
        for (;;) {
          const spans = (await database.getAll("spans", range, 5000)) as Span[];
          found = tally(spans, found);
          const last = spans.at(-1);
          if (!last || spans.length < 5000) break;
          range = IDBKeyRange.bound([runId, last.rolloutId!, last.sequence], [runId, []], true);
        }
      }
      return found;
    },
    async reopen() {
      database.close();
      database = await open();
      await database.count("spans", [""]);
    },
    close() {
      database.close();
      return Promise.resolve();
    },
  };
}
