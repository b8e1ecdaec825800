import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { toIpynb, toMarkdown, toModule } from "../../src/notebook/formats/index.ts";
import { checkParsers, draws, fuzzText } from "../support/notebook-fuzz.ts";

/** Minutes that the fuzzing takes; ten by default. */
const minutes = Number(process.env["FULGURITE_FUZZ_MINUTES"] ?? 10);

test(`no text breaks a notebook parser in ${minutes} minutes`, () => {
  const folder = new URL("../../notebooks/", import.meta.url);
  const texts = readdirSync(folder)
    .filter((name) => name.endsWith(".nb.ts"))
    .map((name) => readFileSync(new URL(name, folder), "utf8"));
  const seeds = texts.flatMap((text) => [text, toIpynb(text), toMarkdown(text), toModule(text)]);
  const draw = draws(Number(process.env["FULGURITE_FUZZ_SEED"] ?? 1));
  const end = performance.now() + minutes * 60_000;
  let count = 0;
  for (; performance.now() < end; count++) checkParsers(fuzzText(draw, seeds));
  console.log(`${count.toLocaleString("en")} texts in ${minutes} minutes`);
  expect(count).toBeGreaterThan(0);
});
