import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** From the roof to the foundation; ui and cli share the top floor. */
const rooms = [
  ["ui", "cli"],
  ["worker"],
  ["notebook"],
  ["guard"],
  ["train"],
  ["reward"],
  ["runner"],
  ["gateway"],
  ["adapter"],
  ["trace"],
  ["store"],
  ["lm"],
  ["rl"],
  ["env"],
  ["compile"],
  ["nn"],
  ["kernels"],
  ["gpu"],
];
const floor = new Map(rooms.flatMap((names, index) => names.map((name) => [name, index] as const)));

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".ts") && !file.endsWith(".test.ts"),
);

function imports(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) =>
    relative(source, resolve(source, dirname(file), match[1]!.replace(/\?.*$/, ""))),
  );
}

test("every room of src has its floor", () => {
  const found = new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]!));
  expect([...found].filter((room) => !floor.has(room))).toEqual([]);
});

test("imports point down the rooms only", () => {
  const wrong = files.flatMap((file) => {
    const from = floor.get(file.split("/")[0]!);
    if (from === undefined) return [];
    return imports(file)
      .filter((target) => !target.startsWith(".."))
      .filter((target) => {
        const room = target.split("/")[0]!;
        const to = floor.get(room);
        if (room === file.split("/")[0]) return false;
        return to === undefined || to <= from;
      })
      .map((target) => `${file} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});
