import { beforeAll, describe, expect, it } from "vitest";
import { declarations } from "./declarations.vite.ts";
import { LanguageService } from "./language-service.ts";

let files: Record<string, string>;

beforeAll(async () => {
  files = JSON.parse(await declarations()) as Record<string, string>;
});

const cells = {
  numbers: "type Pair = [number, string];\nconst pair: Pair = [1, 'a'];\nexport const rate = 0.5;",
  uses: "const [first] = pair;\nconst wrong: string = rate;\nfirst.toFix",
  reward: "export const reward = defineReward.step((s, a, next) => 1 - next.x);",
  broken: "const open = {",
};

function open(sources: Readonly<Record<string, string>> = cells): LanguageService {
  const service = new LanguageService(files);
  service.update({ set: Object.entries(sources).map(([id, source]) => ({ id, source })), removed: [] });
  return service;
}

const labels = (service: LanguageService, cell: string, at: number): string[] =>
  service.complete(cell, at)?.options.map(({ label }) => label) ?? [];

describe("LanguageService", () => {
  it("completes members of a value from another cell, types included", () => {
    expect(labels(open(), "uses", cells.uses.length)).toContain("toFixed");
  });

  it("completes names of other cells and says which cell", () => {
    const found = open({ ...cells, empty: "ra" }).complete("empty", 2);
    expect(found?.from).toBe(0);
    expect(found?.options.find(({ label }) => label === "rate")).toMatchObject({ origin: "numbers" });
    expect(found?.options.some(({ label }) => label === "train")).toBe(true);
  });

  it("explains our own names with their comments, and another cell's by its type", () => {
    const service = open();
    const own = service.hover("reward", cells.reward.indexOf("step") + 1);
    expect(own?.signature).toMatch(/step/);
    expect(own?.documentation.length).toBeGreaterThan(40);
    const at = cells.uses.indexOf("rate");
    expect(service.hover("uses", at)).toMatchObject({ from: at, to: at + 4, signature: "const rate: 0.5" });
  });

  it("reports errors where they stand, and none behind the text or of a neighbour's syntax", () => {
    const service = open();
    const at = cells.uses.indexOf("wrong");
    expect(service.diagnose("uses")).toEqual([
      expect.objectContaining({ from: at, to: at + 5, severity: "error" }),
      expect.objectContaining({ message: expect.stringContaining("toFix") as string }),
    ]);
    expect(service.diagnose("numbers")).toEqual([]);
    expect(service.diagnose("reward")).toEqual([]);
    const end = cells.broken.length;
    expect(service.diagnose("broken")).toEqual([
      expect.objectContaining({ from: end - 1, to: end, severity: "error" }),
    ]);
  });

  it("renames a name in every cell that uses it, and nothing of ours", () => {
    const service = open();
    const places = service.renamePlaces("uses", cells.uses.indexOf("rate"));
    expect(places?.map(({ cell, from }) => [cell, from]).sort()).toEqual([
      ["numbers", cells.numbers.indexOf("rate")],
      ["uses", cells.uses.indexOf("rate")],
    ]);
    expect(service.renamePlaces("reward", cells.reward.indexOf("defineReward") + 1)).toBeNull();
  });

  it("finds the cell in which a name is defined", () => {
    expect(open().definition("uses", cells.uses.indexOf("pair"))).toMatchObject({
      cell: "numbers",
      from: cells.numbers.indexOf("pair"),
    });
  });

  it("follows an edit into the cells that depend on it", () => {
    const service = open({ a: "export const n = 1;", b: "const text: number = n;" });
    expect(service.diagnose("b")).toEqual([]);
    service.update({ set: [{ id: "a", source: 'export const n = "one";' }], removed: [] });
    expect(service.diagnose("b")).toHaveLength(1);
    service.update({ set: [], removed: ["a"] });
    expect(service.diagnose("b")[0]?.message).toMatch(/Cannot find name 'n'/);
  });
});
