import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { main } from "../src/cli/main.ts";
import { openStore } from "../src/store/open.ts";
import { makeRun, updates } from "./store/contract.ts";

const folder = mkdtempSync(join(tmpdir(), "fulgurite-workspace-"));
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("a store in a folder is saved to one file and opened in another folder", async () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const [from, to, file] = ["from", "to", "all.fulgurite"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const store = await openStore({ folder: from });
  await store.commit({ run: makeRun("r"), spans: updates("r", 1, 1200) });
  const spans = await store.spans({ runId: "r" });
  store.close();
  expect(await main(["save", from])).toBe(2);
  expect(await main(["save", from, "--out", file])).toBe(0);
  expect(await main(["open", file, "--store", to])).toBe(0);
  const copy = await openStore({ folder: to });
  expect(await copy.spans({ runId: "r" })).toEqual(spans);
  copy.close();
  truncateSync(file, readFileSync(file).length - 1);
  expect(await main(["open", file, "--store", join(folder, "third")])).toBe(1);
  expect(said.mock.calls.flat().join("\n")).toContain("[store/damaged-workspace]");
  // Each command over a folder says what of it is damaged.
  const log = join(from, "store.log");
  const bytes = readFileSync(log);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(log, bytes);
  expect(await main(["save", from, "--out", file])).toBe(0);
  expect(said.mock.calls.flat().join("\n")).toContain("[store/corrupt-log]");
  said.mockRestore();
});
