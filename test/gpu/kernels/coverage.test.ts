import { describe, expect, test } from "vitest";
import { gpu } from "../support.ts";
import { kernelTests } from "./all-cases.ts";
import { productionShaders } from "./production.ts";
import { constantsOf, shaderNames, switchesOf, type Constants } from "./shader-variants.ts";

/** Bounds that say what a network or an action is like, and nothing of how the work is cut. */
const ofTheShape = /^(FACTORS|DIMENSIONS|LAYERS|PARTS|HEAD_SIZE|TOWER_HEADS|FIRST_|END_)/;
/** Who shares what is loaded. */
const sharing = ["QUADS", "TILED"];

const words = (constants: Constants, names: Iterable<string>): string =>
  [...names]
    .filter((name) => constants[name] !== undefined && constants[name] !== false)
    .map((name) => (constants[name] === true ? name : `${name} ${constants[name]}`))
    .sort()
    .join(", ");

/** What a shader computes, and how it cuts the work: each is one of a list, and neither depends on the other. */
function variantOf(
  shader: string,
  constants: Constants,
): { readonly computes: string; readonly cuts: string } {
  const { flags, bounds } = switchesOf(shader);
  const cuts = [...bounds]
    .filter((name) => !ofTheShape.test(name))
    .concat(sharing.filter((name) => flags.has(name)));
  return {
    computes: words(
      constants,
      [...flags].filter((name) => !sharing.includes(name) && !isCut(name)),
    ),
    cuts: words(constants, cuts),
  };
}

/** Flags that follow from the width of a tile. */
const isCut = (flag: string): boolean => flag === "WIDE" || flag === "DOUBLE";

test("every shader with an entry point is in the matrix", () => {
  expect(kernelTests.map(({ shader }) => shader).sort()).toEqual(shaderNames);
});

describe.skipIf(!gpu)("the matrix has", () => {
  const tried = new Map(
    kernelTests.map(({ shader, variants }) => [
      shader,
      Object.values(variants).flatMap((make) => {
        const c = [1, 7].map((size) => make(size)).find((it) => !("absent" in it));
        return c && !("absent" in c) ? [c.constants] : [];
      }),
    ]),
  );

  test("every flag of a shader, on and off", () => {
    const missing = shaderNames.flatMap((shader) =>
      [...switchesOf(shader).flags].flatMap((flag) =>
        [true, false]
          .filter((value) => !tried.get(shader)!.some((c) => (c[flag] ?? false) === value))
          .map((value) => `${shader}: ${flag} ${value ? "on" : "off"}`),
      ),
    );
    expect(missing).toEqual([]);
  });

  test("everything that the engines make shaders of", async () => {
    const missing = new Set<string>();
    for (const made of await productionShaders()) {
      const own = variantOf(made.name, constantsOf(made));
      const others = tried.get(made.name)!.map((c) => variantOf(made.name, c));
      for (const part of ["computes", "cuts"] as const) {
        if (!others.some((it) => it[part] === own[part])) missing.add(`${made.name} ${part}: ${own[part]}`);
      }
    }
    expect([...missing].sort()).toEqual([]);
  });
});
