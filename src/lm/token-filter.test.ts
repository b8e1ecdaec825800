import { expect, test } from "vitest";
import { expectClose, golden } from "../../test/support/goldens.ts";
import { importMutated } from "../../test/support/mutation.ts";
import * as module from "./token-filter.ts";

function check({ filterThreshold }: typeof module): void {
  const g = golden("sampling_filters");
  const rows = [0, 1, 2].map((row) =>
    Float32Array.from(g.input("logits").slice(8 * row, 8 * row + 8), (logit) => logit / 0.7),
  );
  const probabilities = (filters: module.TokenFilters): number[] =>
    rows.flatMap((values) => {
      const threshold = filterThreshold(values, filters);
      const kept = Array.from(values, (value) => (value >= threshold ? Math.exp(value) : 0));
      const total = kept.reduce((a, b) => a + b);
      return kept.map((mass) => mass / total);
    });
  expectClose(probabilities({}), g.output("p_temperature"), g.f32, "temperature");
  expectClose(probabilities({ topK: 3 }), g.output("p_top_k"), g.f32, "top-k");
  expectClose(probabilities({ topP: 0.8 }), g.output("p_top_p"), g.f32, "top-p");
  const likely = probabilities({ minP: 0.3 });
  g.output("p_temperature").forEach((p, i) => {
    const best = Math.max(
      ...g.output("p_temperature").slice(8 * Math.floor(i / 8), 8 * Math.floor(i / 8) + 8),
    );
    if (likely[i]! > 0 !== p >= 0.3 * best) throw new Error(`expected ${p} against ${best}`);
  });
}

test("sampling_filters: temperature, top-k, top-p with the crossing token; min-p", () => {
  check(module);
});

test.each([
  ["top-k keeps one more", "sorted[topK - 1]!", "sorted[topK]!"],
  ["the crossing token is cut", "sorted[Math.max(0, crossing)]!", "sorted[Math.max(0, crossing - 1)]!"],
  ["min-p is taken as absolute", "largest + log(minP)", "log(minP)"],
])("a seeded fault is caught: %s", async (_, find, replace) => {
  const faulty = await importMutated<typeof module>(import.meta.url, "./token-filter.ts", { find, replace });
  expect(() => {
    check(faulty);
  }).toThrow(/expected/);
});
