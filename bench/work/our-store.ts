import { openStore } from "../../src/store/open.ts";
import type { LightningStore } from "../../src/store/records.ts";
import type { Contestant } from "./store-contestant.ts";
import { rolloutRow, runRow } from "./store-spans.ts";

export async function makeOurStore(): Promise<Contestant> {
  let store: LightningStore = await openStore({ name: "bench" });
  const known = new Set<string>();
  return {
    async write(runId, spans) {
      const run = known.has(runId) ? {} : { run: runRow(runId) };
      known.add(runId);
      await store.commit({ ...run, spans });
    },
    async finish(runId, first, count) {
      const rollouts = Array.from({ length: count }, (_, i) => rolloutRow(runId, first + i));
      for (let i = 0; i < count; i += 1000) await store.commit({ rollouts: rollouts.slice(i, i + 1000) });
      await store.seal(runId);
    },
    async byRollout(runId, number) {
      const spans = await store.spans({ runId, rolloutId: `${runId}/${number}` });
      let sum = 0;
      for (const { tokens } of spans) if (tokens) for (const value of tokens.logProbabilities) sum += value;
      return { rows: spans.length, sum };
    },
    async meanReward(runId) {
      const { rewards } = await store.statistics(runId);
      const { sum, count } = rewards.train!;
      return sum / count;
    },
    async scan(runIds) {
      let rows = 0;
      let sum = 0;
      for (const runId of runIds) {
        for await (const { columns, tokens } of store.scan({ runId })) {
          rows += columns.sequence.length;
          for (const { logProbabilities } of tokens) {
            const { values } = logProbabilities.items;
            for (let i = 0; i < values.length; i++) sum += values[i]!;
          }
        }
      }
      return { rows, sum };
    },
    async reopen() {
      store.close();
      store = await openStore({ name: "bench" });
      await store.runs();
    },
    close() {
      store.close();
      return Promise.resolve();
    },
  };
}
