import { expect, test } from "vitest";
import { killRounds, tearLog } from "./killed-chromium.ts";

test("nothing acknowledged is lost, doubled, half there or left behind when Chromium is killed", async () => {
  const records = await killRounds(5, ["a", "b"], {
    // Also where a kill hit the browser's log in the middle of a write, as one in a hundred does.
    afterKill: (round, profile) => {
      if (round === 2) tearLog(profile);
    },
  });
  expect(records).toHaveLength(5);
  const { acknowledged } = records.at(-1)!;
  expect(acknowledged["a"]!.update + acknowledged["b"]!.update).toBeGreaterThan(100);
}, 120_000);
