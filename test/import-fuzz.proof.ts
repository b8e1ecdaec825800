import { mkdirSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fileKinds, goodFiles, importFault, mutate, numbersFrom } from "./support/import-fuzz.ts";

/** Seconds for each kind of file; default ten minutes. */
const seconds = Number(process.env["FUZZ_SECONDS"] ?? 600);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1_000_000);

interface FuzzResult {
  readonly kind: string;
  readonly seconds: number;
  readonly files: number;
  /** Milliseconds of processor time. */
  readonly slowest: number;
  readonly faults: readonly { readonly seed: number; readonly fault: string }[];
}

const results: FuzzResult[] = [];

/** What breaks an import is written to test/fixtures/imports, where `npm test` reads it for ever after. */
test.each(fileKinds)("imports of kind %s survive wounded files", (kind) => {
  const faults: { readonly seed: number; readonly fault: string }[] = [];
  let files = 0;
  let slowest = 0;
  const end = performance.now() + 1000 * seconds;
  for (let seed = firstSeed; performance.now() < end; seed++, files++) {
    const bytes = mutate(goodFiles[kind], numbersFrom(seed));
    const start = process.cpuUsage();
    const fault = importFault(bytes, kind);
    const { user, system } = process.cpuUsage(start);
    slowest = Math.max(slowest, (user + system) / 1000);
    if (fault === null) continue;
    faults.push({ seed, fault: fault.slice(0, 2000) });
    const folder = new URL("./fixtures/imports/", import.meta.url);
    mkdirSync(folder, { recursive: true });
    writeFileSync(new URL(`${kind}.${seed}.bin`, folder), bytes);
    if (faults.length >= 5) break;
  }
  results.push({ kind, seconds, files, slowest: Math.round(slowest), faults });
  const record = { date: new Date().toISOString(), node: process.version, firstSeed, results };
  const folder = new URL("../bench/results/", import.meta.url);
  writeFileSync(new URL("import-fuzz.json", folder), `${JSON.stringify(record, null, 2)}\n`);
  console.log(
    `${kind}: ${files} files in ${seconds} s, slowest ${slowest.toFixed(0)} ms, ${faults.length} faults`,
  );
  expect(faults).toEqual([]);
});
