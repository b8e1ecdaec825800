import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  fuzzedKinds,
  goodFiles,
  importFault,
  mutate,
  numbersFrom,
  type FuzzedKind,
} from "./support/import-fuzz.ts";

const found = new URL("./fixtures/imports/", import.meta.url);

test.each(fuzzedKinds)(
  "wounded files of kind %s are read without a throw, a hang or a bad record",
  async (kind) => {
    expect(await importFault(goodFiles[kind], kind)).toBeNull();
    const end = performance.now() + 700;
    for (let seed = 1; performance.now() < end; seed++) {
      const bytes = mutate(goodFiles[kind], numbersFrom(seed));
      const fault = await importFault(bytes, kind);
      if (fault !== null) expect.fail(`seed ${seed}: ${fault}`);
    }
  },
);

test("files that once broke an import no longer do", async () => {
  const names = readdirSync(found).filter((name) => name.endsWith(".bin"));
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) {
    const kind = name.split(".")[0] as FuzzedKind;
    expect(fuzzedKinds).toContain(kind);
    expect([name, await importFault(new Uint8Array(readFileSync(new URL(name, found))), kind)]).toEqual([
      name,
      null,
    ]);
  }
});
