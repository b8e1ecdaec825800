import { mkdirSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { killRounds, type KillRecord } from "./killed-chromium.ts";

const kills = Number(process.env["FULGURITE_KILLS"] ?? 200);

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

/** Runs of both writers that had ended by then, and spans of those under way. */
const spansBy = ({ found }: KillRecord): number =>
  Object.values(found).reduce((sum, { run, update }) => sum + 3000 * run + update, 0);

test(`${kills} kills of Chromium while two tabs write: nothing acknowledged lost, no orphan grows`, async () => {
  const began = performance.now();
  const records = await killRounds(kills, ["a", "b"], {
    progress: (record, round) => {
      if (round % 10 === 0) console.log(`${round} kills: ${JSON.stringify(record)}`);
    },
  });
  const disk = records.map(({ diskBytes }) => diskBytes);
  const open = ascending(records.map(({ openMilliseconds }) => Math.round(openMilliseconds)));
  const third = Math.floor(disk.length / 3);
  const result = {
    date: new Date().toISOString(),
    kills: records.length,
    writers: 2,
    seconds: Math.round((performance.now() - began) / 1000),
    updatesWritten: spansBy(records.at(-1)!),
    unacknowledgedButThere: records.filter(
      ({ acknowledged, found }) => !isDeepStrictEqual(acknowledged, found),
    ).length,
    openMilliseconds: { median: open[open.length >> 1], most: open.at(-1) },
    storeBytesMost: Math.max(...records.map(({ bytes }) => bytes)),
    diskBytesMostOfFirstThird: Math.max(...disk.slice(0, third)),
    diskBytesMostOfLastThird: Math.max(...disk.slice(-third)),
    everyTenthKill: records.filter((_, i) => i % 10 === 9),
  };
  mkdirSync("bench/results", { recursive: true });
  writeFileSync("bench/results/store-kills.json", `${JSON.stringify(result, null, 2)}\n`);
  expect(records).toHaveLength(kills);
  // Runs are deleted as others are written: what is kept stays as it is, and so must the disk.
  expect(result.diskBytesMostOfLastThird).toBeLessThan(2 * result.diskBytesMostOfFirstThird);
});
