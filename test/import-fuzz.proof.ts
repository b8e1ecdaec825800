import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fuzzedKinds, goodFiles, importFault, mutate, numbersFrom } from "./support/import-fuzz.ts";

/** Seconds for each kind of file; default ten minutes. */
const seconds = Number(process.env["FUZZ_SECONDS"] ?? 600);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1_000_000);
/** "1": goes on after the seeds that are recorded, and adds to what they found; for a machine that has no hour to give at once. */
const goesOn = process.env["FUZZ_ADD"] === "1";
const record = new URL("../bench/results/import-fuzz.json", import.meta.url);

interface FuzzResult {
  readonly kind: string;
  /** In which files were wounded and read, by the clock. */
  readonly seconds: number;
  readonly files: number;
  /** The next one that nobody tried; the first was `firstSeed`. */
  readonly nextSeed: number;
  /** Milliseconds of processor time. */
  readonly slowest: number;
  readonly faults: readonly { readonly seed: number; readonly fault: string }[];
}

interface FuzzRecord {
  readonly date: string;
  readonly node: string;
  readonly firstSeed: number;
  readonly results: readonly FuzzResult[];
}

const recorded = (): FuzzRecord | null =>
  existsSync(record) ? (JSON.parse(readFileSync(record, "utf8")) as FuzzRecord) : null;

/** What breaks an import is written to test/fixtures/imports, where `npm test` reads it for ever after. */
test.each(fuzzedKinds)("imports of kind %s survive wounded files", async (kind) => {
  const before = goesOn ? recorded()?.results.find((result) => result.kind === kind) : undefined;
  const faults = [...(before?.faults ?? [])];
  const start = before?.nextSeed ?? firstSeed;
  let slowest = before?.slowest ?? 0;
  let seed = start;
  const began = performance.now();
  for (; performance.now() < began + 1000 * seconds; seed++) {
    const bytes = mutate(goodFiles[kind], numbersFrom(seed));
    const used = process.cpuUsage();
    const fault = await importFault(bytes, kind);
    const { user, system } = process.cpuUsage(used);
    slowest = Math.max(slowest, (user + system) / 1000);
    if (fault === null) continue;
    faults.push({ seed, fault: fault.slice(0, 2000) });
    const folder = new URL("./fixtures/imports/", import.meta.url);
    mkdirSync(folder, { recursive: true });
    writeFileSync(new URL(`${kind}.${seed}.bin`, folder), bytes);
    if (faults.length >= 5) break;
  }
  const result: FuzzResult = {
    kind,
    seconds: Math.round((before?.seconds ?? 0) + (performance.now() - began) / 1000),
    files: (before?.files ?? 0) + seed - start,
    nextSeed: seed,
    slowest: Math.round(slowest),
    faults,
  };
  const others = recorded()?.results ?? [];
  const results = fuzzedKinds.flatMap((name) =>
    name === kind ? [result] : others.filter((other) => other.kind === name),
  );
  const now: FuzzRecord = { date: new Date().toISOString(), node: process.version, firstSeed, results };
  writeFileSync(record, `${JSON.stringify(now, null, 2)}\n`);
  console.log(`${kind}: ${result.files} files in ${result.seconds} s, slowest ${result.slowest} ms`);
  expect(faults).toEqual([]);
});
