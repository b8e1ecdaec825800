import { expect, test } from "vitest";
import { PrefixCache } from "./prefix-cache.ts";

test("paths are found by their tokens, kept ones survive, the rest is given out again", () => {
  const cache = new PrefixCache(10);
  const insert = (tokens: readonly number[]): number[] => {
    const path: number[] = [];
    for (const token of tokens) {
      const parent = path.at(-1) ?? 0;
      path.push(cache.find(parent, token) ?? cache.add(parent, token));
    }
    return path;
  };
  const first = insert([1, 2, 3]);
  const second = insert([1, 2, 4, 5]);
  insert([9, 9]);
  expect(second.slice(0, 2)).toEqual(first.slice(0, 2));
  expect(cache.size).toBe(8);

  cache.retain(second);
  expect(cache.free).toBe(3);
  expect(insert([1, 2, 4, 5])).toEqual(second);
  expect(cache.find(0, 9)).toBeUndefined();
  expect(cache.find(first[1]!, 3)).toBeUndefined();
  const fresh = insert([7, 7, 7, 7]);
  expect(fresh.filter((slot) => second.includes(slot))).toEqual([]);
  expect(new Set(fresh).size).toBe(4);
  expect(cache.size).toBe(9);
});
