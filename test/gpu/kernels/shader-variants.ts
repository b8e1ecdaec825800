import type { MadeShader } from "./production.ts";

const files: Readonly<Record<string, string>> = import.meta.glob("../../../shaders/**/*.wgsl", {
  query: "?raw",
  import: "default",
  eager: true,
});

const sources = new Map(
  Object.entries(files).map(([path, source]) => [/shaders\/(.*)\.wgsl$/.exec(path)![1]!, source]),
);

/** Every shader with an entry point. */
export const shaderNames: readonly string[] = [...sources]
  .filter(([, source]) => source.includes("@compute"))
  .map(([name]) => name)
  .sort();

/** A shader's text, with all that it includes. */
function textOf(name: string, seen: Set<string>): string {
  if (seen.has(name)) return "";
  seen.add(name);
  const source = sources.get(name) ?? "";
  const included = [...source.matchAll(/^\s*#include "(.*?)(?:\.wgsl)?"/gm)].map(([, it]) =>
    textOf(it!, seen),
  );
  return [source, ...included].join("\n");
}

/** What a shader's text depends on: the constants of its `#if`s, and those that bound its `#for`s. */
export interface Switches {
  readonly flags: ReadonlySet<string>;
  readonly bounds: ReadonlySet<string>;
}

export function switchesOf(shader: string): Switches {
  const text = textOf(shader, new Set());
  const words = (pattern: RegExp): string[] => [...text.matchAll(pattern)].flatMap(([, ...found]) => found);
  return {
    flags: new Set(words(/^\s*#if (\w+)/gm)),
    bounds: new Set(words(/^\s*#for \w+ in (\S+?)\.\.(\S+)/gm).filter((it) => /^[A-Z]/.test(it))),
  };
}

export type Constants = Readonly<Record<string, number | boolean | string>>;

/** The constants that a shader was made with: they stand in front. */
export const constantsOf = ({ code }: MadeShader): Constants =>
  Object.fromEntries(
    [
      ...code
        .slice(0, code.search(/^(?!const |enable |diagnostic)/m))
        .matchAll(/^const (\w+): (?:u32|bool) = (\w+?)u?;$/gm),
    ].map(([, name, value]) => [name!, value === "true" ? true : value === "false" ? false : Number(value)]),
  );
