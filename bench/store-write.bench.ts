import type { Bench, Measurement } from "./harness/bench.ts";
import type { ContestantName } from "./work/store-worker.ts";

const rounds = 4;
const rollouts = 400;
const batch = 1000;
const appends = 400;

const bench: Bench = {
  where: "node",
  about:
    "spans made durable: ten a rollout, four with 256 + 64 ids and 64 log-probabilities; fresh profile on disk",
  async run({ progress, peers }) {
    const { median, openStoreBrowser, percentile } = await import("./work/store-browser.ts");
    const browser = await openStoreBrowser(peers);
    try {
      const names: readonly ContestantName[] = peers
        ? ["fulgurite", "idb-records", "sqlite-opfs"]
        : ["fulgurite"];
      const rates: Record<string, number[]> = {};
      const add = (key: string, value: number): unknown => (rates[key] ??= []).push(value);
      const spans = 10 * rollouts;
      // The first round warms up.
      for (let round = 0; round <= rounds; round++) {
        progress(`round ${round} of ${rounds}`);
        for (const name of names) {
          for (const [suffix, inFlight] of [
            ["", 1],
            [" in flight", 8],
          ] as const) {
            if (inFlight > 1 && name !== "fulgurite") continue;
            const run = `write${suffix}`;
            const time = await browser.call("write", name, run, round * rollouts, rollouts, batch, inFlight);
            if (round > 0) add(name + suffix, (1000 * spans) / time);
          }
        }
      }
      progress("one span at a time");
      const latencies: Record<string, number[]> = {};
      for (let round = 0; round < 4; round++) {
        for (const name of names) {
          const times = await browser.call("append", name, "append", (round * appends) / 10, appends / 4);
          (latencies[name] ??= []).push(...times);
        }
      }
      const rows: Measurement[] = [];
      const versus = (peer: ContestantName | null, own: string, theirs: string, note: string): void => {
        rows.push({
          metric: own.endsWith("flight") ? "rows-per-second-in-flight" : "rows-per-second",
          unit: "rows/s",
          value: median(rates[own]!),
          note: `${note}; best ${Math.round(Math.max(...rates[own]!))}`,
          ...(peer && rates[theirs] ? { peer, peerValue: median(rates[theirs]) } : {}),
        });
      };
      const one = "transactions of 1,000 spans, each awaited";
      const eight = "eight commits of 1,000 spans in flight";
      if (!peers) versus(null, "fulgurite", "", one);
      else for (const peer of ["idb-records", "sqlite-opfs"] as const) versus(peer, "fulgurite", peer, one);
      versus(null, "fulgurite in flight", "", eight);
      for (const [metric, share] of [
        ["append-p50", 0.5],
        ["append-p99", 0.99],
      ] as const) {
        for (const peer of peers ? (["idb-records", "sqlite-opfs"] as const) : [null]) {
          rows.push({
            metric,
            unit: "ms",
            value: percentile(latencies["fulgurite"]!, share),
            note: "one span a transaction, acknowledged",
            ...(peer ? { peer, peerValue: percentile(latencies[peer]!, share) } : {}),
          });
        }
      }
      return rows;
    } finally {
      await browser.close();
    }
  },
};

export default bench;
