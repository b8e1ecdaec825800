import { expect, test } from "vitest";
import type { CellView } from "../notebook/session-types.ts";
import { CellGroups } from "./cell-groups.ts";

const cells = (ids: string): CellView[] => [...ids].map((id) => ({ id }) as CellView);
const words = (groups: CellGroups, ids: string): string =>
  groups
    .of(cells(ids))
    .map(({ cells }) => cells.map(({ id }) => id).join(""))
    .join(" ");

test("Cells stay in their group while others come, go and move.", () => {
  const groups = new CellGroups();
  const keys = (ids: string): number[] => groups.of(cells(ids)).map(({ key }) => key);
  expect(words(groups, "abcde")).toBe("abcde");
  expect(words(groups, "abcdefghijklmnopqrst")).toBe("abcdefgh ijklmnop qrst");
  const before = keys("abcdefghijklmnopqrst");
  expect(words(groups, "abcXYdefghijklmnopqrst")).toBe("abcXYdefgh ijklmnop qrst");
  expect(words(groups, "abcXYdefghZijklmnopqrst")).toBe("abcXYdefgh Z ijklmnop qrst");
  expect(words(groups, "abcdefghijklmnopqrst")).toBe("abcdefgh ijklmnop qrst");
  // Moved into another group, to a boundary, back over one.
  expect(words(groups, "abqcdefghijklmnoprst")).toBe("abqcdefgh ijklmnop rst");
  expect(words(groups, "abcdefghrijklmnopqst")).toBe("abcdefgh r ijklmnop q st");
  expect(words(groups, "cdefghrijklmnopqst")).toBe("cdefgh r ijklmnop q st");
  expect(keys("cdefghrijklmnopqst").filter((key) => before.includes(key))).toEqual(before);
});

test("Groups know where in the notebook they begin, and another notebook's are others.", () => {
  const groups = new CellGroups();
  const first = groups.of(cells("abcdefghijklmnopqrst"));
  expect(first.map(({ from }) => from)).toEqual([0, 8, 16]);
  groups.clear();
  const second = groups.of(cells("abcdefghijklmnopqrst"));
  expect(second.map(({ key }) => key).filter((key) => first.some((old) => old.key === key))).toEqual([]);
});
