import { expect, it } from "vitest";
import { FulguriteError } from "../gpu/error.ts";
import { packText, unpackText } from "./share-link.ts";

it("gives the text back, in letters that an address may hold", async () => {
  const text = "// fulgurite: 1\n// %% a\nconst größe = '😀';\n".repeat(50);
  const packed = await packText(text);
  expect(packed).toMatch(/^[\w-]+$/);
  expect(packed.length).toBeLessThan(text.length / 10);
  expect(await unpackText(packed)).toBe(text);
});

it.each(["", "%%%", "AAAA", "not deflated at all"])("refuses %j", async (packed) => {
  await expect(unpackText(packed)).rejects.toThrow(FulguriteError);
});

it("refuses a link that was cut", async () => {
  const packed = await packText("// fulgurite: 1\n// %% a\nconst a = 1234567890;\n");
  await expect(unpackText(packed.slice(0, -8))).rejects.toThrow(FulguriteError);
});

it("refuses what unpacks to far more than a notebook", async () => {
  await expect(unpackText(await packText("a".repeat(5_000_000)))).rejects.toThrow(/whole notebook/);
});
