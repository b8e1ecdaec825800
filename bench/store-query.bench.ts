import type { Bench, Measurement } from "./harness/bench.ts";
import type { ContestantName } from "./work/store-worker.ts";

/** Spans of the whole store; a million is the measure, and takes some minutes to write. */
const spans = Number(process.env["FULGURITE_STORE_SPANS"] ?? 100_000);
const runs = 10;
const lookups = 60;

const bench: Bench = {
  where: "node",
  about: `questions to ${spans.toLocaleString("en")} spans of ten runs (FULGURITE_STORE_SPANS changes it), on disk, after a restart`,
  async run({ progress, peers }) {
    const { median, openStoreBrowser } = await import("./work/store-browser.ts");
    const browser = await openStoreBrowser(peers);
    try {
      const names: readonly ContestantName[] = peers
        ? ["fulgurite", "idb-records", "sqlite-opfs"]
        : ["fulgurite"];
      const runIds = Array.from({ length: runs }, (_, i) => `run${i}`);
      const each = Math.floor(spans / 10 / runs);
      for (const [i, runId] of runIds.entries()) {
        progress(`writing run ${i + 1} of ${runs}`);
        for (const name of names) {
          await browser.call("write", name, runId, 0, each, 1000, name === "sqlite-opfs" ? 1 : 4);
          await browser.call("finish", name, runId, 0, each);
        }
      }
      const rows: Measurement[] = [];
      for (const name of names) await browser.call("close", name);
      // What the disk holds once the database has tidied up behind itself.
      await browser.restart();
      const places = Array.from(
        { length: lookups },
        (_, i) => [runIds[(7 * i) % runs]!, (i * 7919) % each] as const,
      );
      const figures: Record<string, Record<string, number>> = {};
      const answers: Record<string, unknown> = {};
      for (const name of names) {
        progress(`asking ${name}`);
        const open = await browser.call("reopen", name);
        const looked = await browser.call("byRollout", name, places);
        const again = await browser.call("byRollout", name, places);
        const means = await browser.call("meanReward", name, runIds);
        const scans = [await browser.call("scan", name, runIds), await browser.call("scan", name, runIds)];
        const reopen: number[] = [];
        for (let i = 0; i < 5; i++) reopen.push(await browser.call("reopen", name));
        figures[name] = {
          "open-first": open,
          open: median(reopen),
          "by-rollout": median(looked.times),
          "by-rollout-again": median(again.times),
          "mean-reward": median(means.times),
          scan: Math.min(...scans.map(({ time }) => time)),
        };
        const round = (x: number): string => x.toPrecision(5);
        answers[name] = [
          looked.found.rows,
          round(looked.found.sum),
          means.means.map(round),
          scans[0]!.found.rows,
          round(scans[0]!.found.sum),
        ];
        if (JSON.stringify(answers[name]) !== JSON.stringify(answers["fulgurite"]))
          throw new Error(`${name} answers ${JSON.stringify(answers)}`);
      }
      for (const [metric, value] of Object.entries(figures["fulgurite"]!)) {
        for (const peer of peers ? (["idb-records", "sqlite-opfs"] as const) : [null]) {
          rows.push({
            metric,
            unit: "ms",
            value,
            note: `${spans} spans`,
            ...(peer ? { peer, peerValue: figures[peer]![metric]! } : {}),
          });
        }
      }
      if (!peers) {
        const bytes = browser.bytesOnDisk("IndexedDB") / spans;
        rows.push({
          metric: "disk-per-row",
          unit: "bytes",
          value: bytes,
          note: `${spans} spans, all files of IndexedDB`,
        });
      }
      return rows;
    } finally {
      await browser.close();
    }
  },
};

export default bench;
