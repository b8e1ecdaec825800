import { expect, test } from "vitest";
import { golden } from "../../test/support/goldens.ts";
import { pcgHash } from "../../test/support/string-task.ts";
import { philox, uniform } from "./philox.ts";

const words = (counter: [number, number, number, number], key: [number, number]): number[] => {
  const out = new Uint32Array(4);
  philox(counter, key, out);
  return [...out];
};

test("Philox4x32-10 known answers", () => {
  const g = golden("rng");
  const ff = 0xffffffff;
  expect(words([0, 0, 0, 0], [0, 0])).toEqual(g.output("philox_zero"));
  expect(words([ff, ff, ff, ff], [ff, ff])).toEqual(g.output("philox_ff"));
  expect(words([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual(
    g.output("philox_pi"),
  );
  const four = words([1, 2, 3, 4], [42, 7]);
  expect(four).toEqual(g.output("philox_1234_42_7"));
  expect(four.map(uniform)).toEqual(g.output("uniform24"));
  // Philox is all that ships; the hash that splits the tests' tasks is PCG's.
  expect([0, 1, 2, 3, 4].map(pcgHash)).toEqual(g.output("pcg_hash_0_to_4"));
});
